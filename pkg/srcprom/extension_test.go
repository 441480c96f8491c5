package srcprom_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/config"
	"github.com/sourcegraph/srcprom/pkg/srcprom"
	"github.com/sourcegraph/srcprom/pkg/srcpromtest"
)

// ruleDocuments are the names of those that run.
func ruleDocuments(server *srcpromtest.Server) []string {
	var names []string
	for _, doc := range server.Current().Documents.WithPrefix(config.RulesPrefix) {
		names = append(names, doc.Name)
	}
	return names
}

func TestSource_BuiltinRulesGiveWayToAFileOfTheirName(t *testing.T) {
	server := srcpromtest.Start(t, srcpromtest.WithOptions(func(o *srcprom.Options) {
		o.Source.Builtin = map[string]string{"rules/frontend_rules.yml": fireRules, "rules/other_rules.yml": fireRules}
	}))
	require.Equal(t, []string{"rules/frontend_rules.yml", "rules/other_rules.yml"}, ruleDocuments(server))
	const given = "rules//sg_config/frontend_rules.yml"
	_, err := server.Apply(t.Context(), documents(map[string]string{given: fireRules}))
	require.NoError(t, err)
	require.Equal(t, []string{given, "rules/other_rules.yml"}, ruleDocuments(server))
	removal := config.Change{Documents: map[string]*string{given: nil}}
	_, err = server.Apply(t.Context(), removal)
	require.NoError(t, err)
	require.True(t, slices.Contains(ruleDocuments(server), "rules/frontend_rules.yml"))
}

func TestSource_BuiltinThatIsNoDocumentIsRefused(t *testing.T) {
	opts := options(t)
	opts.Source.Builtin = map[string]string{"nonsense": ""}
	_, err := srcprom.New(opts)
	require.ErrorContains(t, err, "Options.Source.Builtin")
}

func TestSource_ThatFailsEndsNothingElse(t *testing.T) {
	ran := make(chan struct{})
	server := srcpromtest.Start(t, srcpromtest.WithOptions(func(o *srcprom.Options) {
		o.Source.Run = func(context.Context, *srcprom.Server) error {
			defer close(ran)
			return errors.New("no such frontend")
		}
	}), srcpromtest.WithRules(fireRules))
	<-ran
	server.Target.Set("fire", 1)
	server.Receiver.Await("the alert", srcpromtest.Firing("Fire"))
	require.NoError(t, server.Stop())
}
