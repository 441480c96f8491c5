package srcprom_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/config"
	"github.com/sourcegraph/srcprom/pkg/srcprom"
	"github.com/sourcegraph/srcprom/pkg/srcpromtest"
	"github.com/sourcegraph/srcprom/pkg/state"
)

func recording(value int) string {
	return fmt.Sprintf("groups:\n  - name: g\n    rules:\n      - record: r\n        expr: vector(%d)\n", value)
}

// apply pushes documents and returns the version that runs then.
func apply(t *testing.T, server *srcprom.Server, named map[string]string) uint64 {
	t.Helper()
	result, err := server.Apply(t.Context(), documents(named))
	require.NoError(t, err)
	return result.Version
}

func history(t *testing.T, server *srcprom.Server) []client.ConfigVersion {
	t.Helper()
	page, err := server.ConfigHistory(t.Context(), 0, 100)
	require.NoError(t, err)
	require.Zero(t, page.Next)
	return page.Versions
}

func TestServer_ConfigHistoryTellsEachVersionAndItsDifference(t *testing.T) {
	server := srcpromtest.Start(t)
	first := server.Current().Version
	second := apply(t, server.Server, map[string]string{"rules/x": recording(1)})
	third := apply(t, server.Server, map[string]string{"rules/x": recording(2), "rules/y": "groups: []"})
	removal := documents(nil)
	removal.Documents["rules/y"] = nil
	result, err := server.Apply(t.Context(), removal)
	require.NoError(t, err)

	versions := history(t, server.Server)
	require.Len(t, versions, 4)
	require.Equal(t, []uint64{result.Version, third, second, first}, []uint64{versions[0].Version, versions[1].Version, versions[2].Version, versions[3].Version})
	removed := versions[0].Documents["rules/y"]
	require.Empty(t, removed.Hash)
	require.Equal(t, "--- rules/y@3\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-groups: []\n\\ No newline at end of file\n", removed.Diff)
	changed := versions[1]
	require.Len(t, changed.Documents, 2)
	require.Equal(t, strings.Join([]string{
		"--- rules/x@2", "+++ rules/x@3", "@@ -2,4 +2,4 @@",
		"   - name: g", "     rules:", "       - record: r", "-        expr: vector(1)", "+        expr: vector(2)", "",
	}, "\n"), changed.Documents["rules/x"].Diff)
	require.Equal(t, server.Current().Documents["rules/x"].Hash(), changed.Documents["rules/x"].Hash)
	require.Equal(t, "go", changed.Documents["rules/x"].Provenance.Source)
	require.Contains(t, changed.Documents["rules/y"].Diff, "--- /dev/null\n+++ rules/y@3\n")
	require.NotEmpty(t, changed.Changes)
	require.WithinDuration(t, time.Now(), changed.AppliedAt, time.Minute)
	require.Len(t, versions[3].Documents, 2, "the oldest has all")
	require.NotNil(t, versions[3].SetAside)

	page, err := server.ConfigHistory(t.Context(), third+1, 1)
	require.NoError(t, err)
	require.Equal(t, versions[1:2], page.Versions, "with its difference from a version that is on the next page")
	require.Equal(t, third, page.Next)
	page, err = server.ConfigHistory(t.Context(), second, 1)
	require.NoError(t, err)
	require.Equal(t, versions[3:], page.Versions)
	require.Zero(t, page.Next)
}

func TestServer_ConfigHistoryKeepsSecretsToItself(t *testing.T) {
	server := srcpromtest.Start(t)
	const remote = "remote_write: [ { url: \"http://127.0.0.1:1\", basic_auth: { username: u, password: %s } } ] # %s\n"
	apply(t, server.Server, map[string]string{config.PrometheusDocument: fmt.Sprintf(remote, "hunter2", "one")})
	apply(t, server.Server, map[string]string{config.PrometheusDocument: fmt.Sprintf(remote, "hunter3", "one")})
	versions := history(t, server.Server)
	change := versions[0].Documents[config.PrometheusDocument]
	require.NotEmpty(t, change.Hash)
	require.Empty(t, change.Diff, "only a secret differs")
	require.Contains(t, versions[1].Documents[config.PrometheusDocument].Diff, "<secret>")
	require.NotContains(t, fmt.Sprint(versions), "hunter")
}

func TestServer_ConfigHistoryGrowsOnlyByWhatIsNew(t *testing.T) {
	opts := options(t)
	opts.Documents = map[string]string{"rules/x": recording(1)}
	run(t, opts, func(server *srcprom.Server) {
		require.Len(t, history(t, server), 1)
		apply(t, server, map[string]string{"rules/x": recording(1)})
		require.NoError(t, server.Reload(t.Context()))
		_, err := server.Apply(t.Context(), documents(map[string]string{config.AlertmanagerDocument: "route: { receiver: nobody }\n"}))
		require.Error(t, err)
		require.Len(t, history(t, server), 1)
	})
	run(t, opts, func(server *srcprom.Server) { require.Len(t, history(t, server), 1, "the start says the same") })
	opts.Documents["rules/x"] = recording(2)
	run(t, opts, func(server *srcprom.Server) { require.Len(t, history(t, server), 2) })
}

// What a program without a history kept can be gone back to as well.
func TestServer_StartListsWhatWasKeptBeforeThereWasAHistory(t *testing.T) {
	opts := options(t)
	run(t, opts, func(server *srcprom.Server) { apply(t, server, map[string]string{"rules/x": recording(1)}) })
	forgetVersions(t, opts.Storage.Dir)
	run(t, opts, func(server *srcprom.Server) {
		versions := history(t, server)
		require.Len(t, versions, 1)
		apply(t, server, map[string]string{"rules/x": recording(2)})
		_, err := server.Rollback(t.Context(), config.Rollback{Version: versions[0].Version})
		require.NoError(t, err)
		require.Equal(t, recording(1), server.Current().Documents["rules/x"].Content)
	})
}

func TestServer_RollbackRunsTheDocumentsOfAnEarlierVersion(t *testing.T) {
	server := srcpromtest.Start(t, srcpromtest.WithRules(fireRules))
	target := server.Current()
	removal := documents(map[string]string{"rules/x": recording(1), config.AlertmanagerDocument: "route: { receiver: none }\nreceivers: [ { name: none } ]\n"})
	removal.Documents["rules/test-2"] = nil
	_, err := server.Apply(t.Context(), removal)
	require.NoError(t, err)

	to := config.Rollback{Version: target.Version, Provenance: config.Provenance{Source: config.SourceHTTP}}
	planned, err := server.PlanRollback(t.Context(), to)
	require.NoError(t, err)
	require.NotEmpty(t, planned.Changes)
	require.NotContains(t, server.Current().Documents, "rules/test-2", "a plan changes nothing")
	result, err := server.Rollback(t.Context(), to)
	require.NoError(t, err)
	require.Equal(t, planned.Changes, result.Changes)
	require.Equal(t, target.Version+2, result.Version)

	now := server.Current()
	require.Equal(t, target.Documents.Names(), now.Documents.Names())
	for name, doc := range target.Documents {
		require.Equal(t, doc.Content, now.Documents[name].Content, name)
	}
	require.Equal(t, config.SourceHTTP, now.Documents[config.AlertmanagerDocument].Provenance.Source)
	require.WithinDuration(t, time.Now(), now.Documents[config.AlertmanagerDocument].Provenance.At, time.Minute)
	require.Equal(t, config.SourceGo, now.Documents[config.PrometheusDocument].Provenance.Source, "it did not become another one")
	require.Equal(t, target.Version, history(t, server.Server)[0].RolledBackTo)
	server.Target.Set("fire", 1)
	server.Receiver.Await("Fire", srcpromtest.Firing("Fire"))

	again, err := server.Rollback(t.Context(), to)
	require.NoError(t, err)
	require.Empty(t, again.Changes)
	require.Equal(t, result.Version, again.Version, "there was nothing to do")
}

func TestServer_RollbackIsRefusedAsAnApplyIs(t *testing.T) {
	server := srcpromtest.Start(t)
	first := server.Current().Version
	apply(t, server.Server, map[string]string{"rules/x": recording(1)})
	_, err := server.Rollback(t.Context(), config.Rollback{Version: 77})
	require.ErrorIs(t, err, config.ErrNotKept)
	require.ErrorContains(t, err, "77")
	_, err = server.Rollback(t.Context(), config.Rollback{Version: first, IfVersion: &first})
	require.ErrorIs(t, err, config.ErrVersion)
	require.Equal(t, "1", gauge(t, server, "/metrics", "prometheus_config_last_reload_successful"))
	require.Contains(t, server.Current().Documents, "rules/x")

	require.NoError(t, server.Stop())
	_, err = server.Rollback(t.Context(), config.Rollback{Version: first})
	require.ErrorIs(t, err, srcprom.ErrNotRunning)
}

func TestServer_RollbackStandsUntilItsFileChanges(t *testing.T) {
	dir := t.TempDir()
	opts := options(t)
	opts.ConfigFile = filepath.Join(dir, "prometheus.yml")
	rules := filepath.Join(dir, "x_rules.yml")
	save := func(path, text string) { require.NoError(t, os.WriteFile(path, []byte(text), 0o644)) }
	save(opts.ConfigFile, "rule_files: [ \"*_rules.yml\" ]\n")
	save(rules, recording(1))
	content := func(server *srcprom.Server) string {
		return server.Current().Documents["rules/x_rules.yml"].Content
	}
	run(t, opts, func(server *srcprom.Server) {
		first := server.Current().Version
		save(rules, recording(2))
		require.NoError(t, server.Reload(t.Context()))
		save(filepath.Join(dir, "new_rules.yml"), recording(7))
		_, err := server.Rollback(t.Context(), config.Rollback{Version: first})
		require.NoError(t, err)
		require.Equal(t, recording(1), content(server))
		require.NotContains(t, server.Current().Documents, "rules/new_rules.yml", "no file was read")
		require.NoError(t, server.Reload(t.Context()))
		require.Equal(t, recording(1), content(server), "its file has not changed")
		require.Contains(t, server.Current().Documents, "rules/new_rules.yml")
	})
	run(t, opts, func(server *srcprom.Server) {
		require.Equal(t, recording(1), content(server), "after a restart as well")
		save(rules, recording(3))
		require.NoError(t, server.Reload(t.Context()))
		require.Equal(t, recording(3), content(server))
	})
}

// An entry that was set aside in the target runs as it ran there.
func TestServer_RollbackTakesUpWhatStoodIn(t *testing.T) {
	server := srcpromtest.Start(t, srcpromtest.WithRules(fireRules))
	const wrong = "groups: [ { name: g, rules: [ { alert: Fire, expr: 'fire ==' } ] } ]\n"
	target := apply(t, server.Server, map[string]string{"rules/test-2": wrong})
	apply(t, server.Server, map[string]string{"rules/test-2": "groups: [ { name: g, rules: [ { alert: Other, expr: fire == 1 } ] } ]\n"})

	_, err := server.Rollback(t.Context(), config.Rollback{Version: target, Strict: true})
	var faults config.Faults
	require.ErrorAs(t, err, &faults)
	result, err := server.Rollback(t.Context(), config.Rollback{Version: target})
	require.NoError(t, err)
	require.Len(t, result.SetAside, 1)
	require.Equal(t, wrong, server.Current().Documents["rules/test-2"].Content)
	require.Len(t, history(t, server.Server)[0].SetAside, 1)
	server.Target.Set("fire", 1)
	server.Receiver.Await("the alert that stood in then", srcpromtest.Firing("Fire"))
}

// forgetVersions makes a state file look like one of a program without a history.
func forgetVersions(t *testing.T, dir string) {
	t.Helper()
	kept, err := state.Open(filepath.Join(dir, "srcprom", "state.db"), state.Options{})
	require.NoError(t, err)
	versions, err := kept.Versions(0, 100)
	require.NoError(t, err)
	for _, version := range versions {
		kept.Delete("versions", string(binary.BigEndian.AppendUint64(nil, version.Version)))
	}
	require.NoError(t, kept.Flush(t.Context()))
	require.NoError(t, kept.Close())
}
