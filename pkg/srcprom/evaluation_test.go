package srcprom_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/config"
	"github.com/sourcegraph/srcprom/pkg/srcprom"
)

// evaluated is a rule document whose group says when it is evaluated.
func evaluated(group, when string) string {
	return "groups:\n  - name: " + group + "\n    evaluation: " + when + "\n    rules: [ { record: r, expr: vector(1) } ]\n"
}

func TestServer_GroupsSayTheirEvaluationWhereverTheyComeFrom(t *testing.T) {
	dir := t.TempDir()
	opts := options(t)
	opts.ConfigFile = filepath.Join(dir, "prometheus.yml")
	opts.Web.EnableConfigAPI = true
	opts.Documents = map[string]string{"rules/go": evaluated("options", "clock")}
	file := filepath.Join(dir, "x_rules.yml")
	save := func(path, text string) { require.NoError(t, os.WriteFile(path, []byte(text), 0o644)) }
	save(opts.ConfigFile, "rule_files: [ \"*_rules.yml\" ]\n")
	save(file, evaluated("file", "clock"))
	changed := func(group string) []string { return []string{`rules: 1 group(s) changed: "` + group + `"`} }

	run(t, opts, func(server *srcprom.Server) {
		first := server.Current().Version
		require.Empty(t, server.Current().Standing)
		c, err := client.New("http://" + server.Addr())
		require.NoError(t, err)

		text := evaluated("options", "after-scrape")
		pushed, err := c.ApplyConfig(t.Context(), client.ConfigRequest{Documents: map[string]*string{"rules/go": &text}, Strict: true})
		require.NoError(t, err)
		require.Equal(t, changed("options"), pushed.Changes)

		save(file, evaluated("file", "after-scrape"))
		require.NoError(t, server.Reload(t.Context()))
		save(file, evaluated("file", "sometimes"))
		require.ErrorContains(t, server.Reload(t.Context()), `group "file": evaluation is "sometimes"`)
		save(file, evaluated("file", "after-scrape"))
		require.NoError(t, server.Reload(t.Context()))

		applied, err := server.Apply(t.Context(), documents(map[string]string{"rules/go": evaluated("options", "sometimes")}))
		require.NoError(t, err)
		require.Empty(t, applied.Changes, "the group goes on as it was accepted")
		require.Equal(t, []config.SetAside{{
			Document: "rules/go", Name: "groups/options", Line: 3,
			Reason: `group "options": evaluation is "sometimes": it must be "after-scrape" or "clock"`,
		}}, applied.SetAside)

		rolledBack, err := server.Rollback(t.Context(), config.Rollback{Version: first})
		require.NoError(t, err)
		require.Empty(t, rolledBack.SetAside)
		require.Contains(t, rolledBack.Changes, changed("options")[0])
	})
	require.NoError(t, os.Remove(file))
	require.NoError(t, os.Remove(opts.ConfigFile))
	opts.Documents = nil
	run(t, opts, func(server *srcprom.Server) { // from what was accepted
		require.Empty(t, server.Current().Standing)
		applied, err := server.Apply(t.Context(), documents(map[string]string{"rules/go": evaluated("options", "after-scrape")}))
		require.NoError(t, err)
		require.Equal(t, changed("options"), applied.Changes)
	})
}
