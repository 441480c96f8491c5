package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sourcegraph/srcprom/pkg/siteconfig"
)

// What the sourcegraph/prometheus image had, and what its operators give it.
const (
	// addOns is where operators mount their own configuration.
	addOns = "/sg_prometheus_add_ons"
	// bakedAlertmanager is the file that the image rewrote.
	bakedAlertmanager = "/sg_config_prometheus/alertmanager.yml"
	// oldSnapshots is where its Alertmanager kept silences and notification log.
	oldSnapshots = "/alertmanager"
	// defaultFrontend is where it looked for the frontend of Sourcegraph.
	defaultFrontend = "sourcegraph-frontend-internal"
	// oldRetention is how long its Alertmanager kept its records.
	oldRetention = 7 * 24 * time.Hour
)

// sourcegraph is what the environment says about the site configuration, beside
// defaults of flags.
type sourcegraph struct {
	asked  bool                        // it is wanted
	off    string                      // the setting because of which it is off, if any
	unread bool                        // it is not fetched
	set    []func(*siteconfig.Options) // what has no flag
}

// followSiteConfig finds out whether a site configuration is wanted, and what
// follows from that.
func (s *settings) followSiteConfig(given map[string]bool, env *environment, exists func(string) bool) error {
	o := &s.siteConfig
	for _, set := range env.sourcegraph.set {
		set(o)
	}
	var flags []string
	for name := range given {
		if strings.HasPrefix(name, siteConfigPrefix) {
			flags = append(flags, "--"+name)
		}
	}
	slices.Sort(flags)
	isOld := exists(addOns)
	wanted := env.sourcegraph.asked || len(flags) > 0 || isOld
	if wanted && !given["alertmanager.data.retention"] {
		s.server.Alerting.Retention = oldRetention
	}
	if off := env.sourcegraph.off; off != "" {
		for _, flag := range flags {
			s.warnings = append(s.warnings, flag+" is ignored: "+off+" turns the site configuration off")
		}
		return nil
	}
	if s.siteConfigOn = wanted; !wanted {
		return nil
	}
	switch urlGiven := given[siteConfigPrefix+"url"]; {
	case urlGiven:
	case env.sourcegraph.unread:
		o.URL = ""
	case o.URL == "" && isOld:
		o.URL = defaultFrontend
	}
	file := s.server.AlertmanagerConfigFile
	o.RewrittenFile = file != "" && (file == bakedAlertmanager || file == env.defaults["alertmanager.config.file"])
	if err := o.Validate(); err != nil {
		return fmt.Errorf("site configuration: %w", err)
	}
	return nil
}

// findSnapshots imports what the Alertmanager of the old image has left, unless a
// flag says from where to import.
func (s *settings) findSnapshots(given map[string]bool, exists func(string) bool) {
	left := exists(oldSnapshots+"/silences") || exists(oldSnapshots+"/nflog")
	if left && !given["alertmanager.storage.path"] {
		s.server.Alerting.ImportDir = oldSnapshots
	}
}
