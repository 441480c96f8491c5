package main

import (
	"fmt"

	"github.com/alecthomas/kingpin/v2"
)

// addDeprecated adds what Prometheus and Alertmanager know and what has no
// meaning here, or another one.
func (f *flags) addDeprecated() {
	f.group("Without effect", "Accepted with a warning, so that a command line of Prometheus's or Alertmanager's can be taken over.")
	f.hideGroup()
	f.noted("web.console.templates", "there are no console templates; dashboards belong in Grafana")
	f.noted("web.console.libraries", "there are no console templates; dashboards belong in Grafana")
	f.noted("web.user-assets", "static files are not served; put a web server or reverse proxy beside")
	f.noted("alertmanager.web.listen-address", "everything is served on --web.listen-address, Alertmanager under /alertmanager")
	f.noted("alertmanager.web.external-url", "it is derived from --web.external-url")
	f.noted("alertmanager.web.route-prefix", "it is /alertmanager below --web.route-prefix")
	f.noted("alertmanager.web.config.file", "--web.config.file holds for everything")
	f.noted("alertmanager.log.level", "--log.level holds for everything")
	f.noted("alertmanager.log.format", "--log.format holds for everything")
	f.noted("alertmanager.auto-gomemlimit.ratio", "--auto-gomemlimit.ratio holds for the whole process")
	f.notedSwitch("alertmanager.web.systemd-socket", "--web.systemd-socket holds for everything")

	f.group("Refused", "There is no agent mode. These flags of Prometheus's end the program with exit code 2.")
	f.hideGroup()
	for _, name := range []string{"agent", "storage.agent.wal-compression", "storage.agent.no-lockfile", "storage.agent.checkpoint-from-in-memory-series"} {
		f.refused(name).Bool()
	}
	for _, name := range []string{
		"storage.agent.path", "storage.agent.wal-segment-size", "storage.agent.wal-compression-type",
		"storage.agent.wal-truncate-frequency", "storage.agent.retention.min-time",
		"storage.agent.retention.max-time", "storage.agent.checkpoint-batch-size",
	} {
		f.refused(name).String()
	}
}

// hideGroup keeps the flags of the present group out of --help.
func (f *flags) hideGroup() { f.groups[len(f.groups)-1].hidden = true }

// refused adds a flag of the agent, which this program is not.
func (f *flags) refused(name string) *kingpin.FlagClause {
	return f.flag(name, "").Hidden().PreAction(func(*kingpin.ParseContext) error {
		return fmt.Errorf("--%s: there is no agent mode; run Prometheus itself with --agent where samples are only to be forwarded", name)
	})
}

// noted adds a flag that only says what to use in its place.
func (f *flags) noted(name, instead string) { f.note(name, instead).String() }

// notedSwitch is noted for a flag that takes no value.
func (f *flags) notedSwitch(name, instead string) { f.note(name, instead).Bool() }

func (f *flags) note(name, instead string) *kingpin.FlagClause {
	return f.flag(name, instead+".").Hidden().PreAction(func(*kingpin.ParseContext) error {
		f.notes = append(f.notes, "--"+name+" is ignored: "+instead)
		return nil
	})
}
