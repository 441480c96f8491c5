package alerting

import (
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/alertmanager/featurecontrol"
	"github.com/prometheus/alertmanager/matcher/compat"
)

// matchers is how matchers and label names are parsed. Alertmanager keeps that
// in variables of its own package: the first who says so decides for the process.
var matchers struct {
	once            sync.Once
	classic, strict bool
}

// InitMatchers sets how Alertmanager's matchers are parsed in this process, by
// the feature flags classic-mode and utf8-strict-mode. Only the first call counts;
// a later one that asks for something else is warned about. It must come before
// the first alertmanager.yml is loaded: without it, labels that are not ASCII are
// refused. [New] calls it too.
func InitMatchers(log *slog.Logger, features []string) {
	flags := parseFeatures(slog.New(slog.DiscardHandler), features)
	matchers.once.Do(func() {
		matchers.classic, matchers.strict = flags.ClassicMode(), flags.UTF8StrictMode()
		compat.InitFromFlags(log, flags)
	})
	if flags.ClassicMode() != matchers.classic || flags.UTF8StrictMode() != matchers.strict {
		log.Warn("Matchers are parsed as the first server of this process wants it",
			"classic_mode", matchers.classic, "utf8_strict_mode", matchers.strict)
	}
}

// parseFeatures leaves out, with a warning, what Alertmanager would refuse.
func parseFeatures(log *slog.Logger, features []string) featurecontrol.Flagger {
	var known []string
	for _, name := range features {
		if !slices.Contains(featurecontrol.AllowedFlags, name) {
			log.Warn("Unknown feature ignored", "feature", name, "known", strings.Join(featurecontrol.AllowedFlags, ","))
			continue
		}
		known = append(known, name)
	}
	flags, err := featurecontrol.NewFlags(log, strings.Join(known, ","))
	if err != nil {
		log.Warn("Features ignored", "features", known, "err", err)
		return featurecontrol.NoopFlags{}
	}
	return flags
}
