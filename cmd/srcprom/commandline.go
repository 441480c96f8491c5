package main

import (
	"net"
	"os"
	"slices"

	"github.com/alecthomas/kingpin/v2"

	"github.com/sourcegraph/srcprom/pkg/siteconfig"
	"github.com/sourcegraph/srcprom/pkg/srcprom"
	"github.com/sourcegraph/srcprom/pkg/web"
)

// The commands. The first is meant when none is named.
const (
	commandRun     = "run"
	commandCheck   = "check"
	commandExplain = "explain"
	commandBackup  = "backup"
	commandRestore = "restore"
	commandVersion = "version"
)

// settings are what flags, environment and defaults come to.
type settings struct {
	command string
	files   []string // of the check command
	remote  remote   // of commands that ask a running server
	explain explainArgs
	output  string // of the backup command
	archive string // of the restore command

	server               srcprom.Options
	siteConfig           siteconfig.Options
	siteConfigOn         bool
	engine               engineSettings
	limits               limits
	logLevel, logFormat  string
	features             []string
	alertmanagerFeatures []string // of --alertmanager.enable-feature
	// warnings are to be logged before the server starts.
	warnings []string
}

func defaultSettings() *settings {
	s := &settings{
		server:     srcprom.DefaultOptions(),
		siteConfig: siteconfig.DefaultOptions(),
		engine:     defaultEngineSettings(),
		limits:     limits{procs: true, memory: true, ratio: 0.9},
		logLevel:   "info",
		logFormat:  "logfmt",
	}
	s.server.Storage.Dir = "data/"
	return s
}

// Where the sourcegraph/prometheus image keeps its configuration: what its
// operator mounts wins over what it brings.
var (
	prometheusFiles   = []string{addOns + "/prometheus.yml", "/sg_config_prometheus/prometheus.yml", "prometheus.yml"}
	alertmanagerFiles = []string{bakedAlertmanager, "alertmanager.yml"}
)

// newFlags returns the table of all flags, bound to s.
func newFlags(s *settings) *flags {
	f := &flags{app: kingpin.New(buildName, "Prometheus and Alertmanager in one process: scrapes, stores, evaluates rules, routes and delivers alerts.")}
	f.app.HelpFlag.Short('h')
	f.app.Version(versionText())
	f.app.Command(commandRun, "Run the server. This is what happens when no command is named.")
	f.app.Command(commandCheck, "Check configuration files, with everything they name, and exit with 1 if anything is wrong.").
		Arg("file", "prometheus.yml, alertmanager.yml, a rule file or a site configuration of Sourcegraph, told apart by their content. Without any, those that the server would run with.").StringsVar(&s.files)
	f.addExplain(s)
	f.addBackup(s)
	f.app.Command(commandVersion, "Show the versions of this program and of the engines in it.")

	f.addServer(s)
	f.addWeb(&s.server.Web)
	f.addStorage(&s.server.Storage)
	f.addQuery(&s.server.Storage)
	f.addScrape(&s.server.Scrape, &s.engine)
	f.addRules(&s.server.Rules)
	f.addAlertmanager(&s.server.AlertmanagerConfigFile, &s.alertmanagerFeatures, &s.server.Alerting)
	f.addHistory(&s.server.History)
	f.addSiteConfig(&s.siteConfig)
	f.addCluster(&s.server.Alerting.Cluster)
	f.addDeprecated()
	return f
}

func (f *flags) addBackup(s *settings) {
	backup := f.app.Command(commandBackup, "Save everything that a running server has, with all secrets, as one archive. The server needs --web.enable-admin-api.")
	s.remote.addTo(backup)
	backup.Flag("output", "Path of the archive. It is there when it is whole and has been read back.").PlaceHolder("<filename>").Required().StringVar(&s.output)
	f.app.Command(commandRestore, "Make the data directory, --storage.tsdb.path, of a backup. It must be empty, or not be there.").
		Arg("archive", "Path of the archive.").Required().StringVar(&s.archive)
}

// parse reads the command line and the environment. Every error is one of usage.
func parse(args []string, lookup func(string) (string, bool), exists func(string) bool) (*settings, error) {
	env, err := readEnvironment(lookup)
	if err != nil {
		return nil, err
	}
	s := defaultSettings()
	f := newFlags(s)
	f.app.UsageWriter(os.Stdout)
	f.setDefaults(env)
	args, err = f.merge(env.flags, args)
	if err != nil {
		return nil, err
	}
	if s.command, err = f.app.Parse(f.withCommand(args)); err != nil {
		return nil, f.hint(err)
	}
	for _, do := range f.rest {
		do()
	}
	given := f.given(args)
	if err := s.limits.validate(); err != nil {
		return nil, err
	}
	s.warnings = append(env.warnings, f.notes...)
	s.warnings = append(s.warnings, s.enableFeatures()...)
	// Only now that flags are read it is known where to look for what was accepted.
	// Other commands, and a check of other files, have no use for these.
	if s.command == commandRun || s.command == commandCheck && len(s.files) == 0 {
		s.findFiles(given, env, exists)
		s.findSnapshots(given, exists)
	}
	if err := s.followSiteConfig(given, env, exists); err != nil {
		return nil, err
	}
	s.server.Alerting.Disabled = env.noAlertmanager
	s.server.Web.InternalListenAddresses = uncovered(env.loopback, publicAddresses(&s.server.Web))
	s.server.Web.Flags = f.values()
	return s, nil
}

// withCommand names the command that is meant when none is. Kingpin's own default
// commands swallow the error of a flag whose value is missing.
func (f *flags) withCommand(args []string) []string {
	parsed, _ := f.app.ParseContext(args)
	asksForHelp := slices.ContainsFunc(parsed.Elements, func(e *kingpin.ParseElement) bool { return e.Clause == f.app.HelpFlag })
	if parsed.SelectedCommand != nil || asksForHelp {
		return args
	}
	return append([]string{commandRun}, args...)
}

// setDefaults puts in the place of defaults what the environment says.
func (f *flags) setDefaults(env *environment) {
	for flag, value := range env.defaults {
		f.app.GetFlag(flag).Default(value)
	}
}

// given are the names of the flags that are among the arguments. One with an empty
// value counts, too.
func (f *flags) given(args []string) map[string]bool {
	names := map[string]bool{}
	parsed, _ := f.app.ParseContext(args) // a mistake is reported where all is parsed
	for _, element := range parsed.Elements {
		if clause, ok := element.Clause.(*kingpin.FlagClause); ok {
			names[clause.Model().Name] = true
		}
	}
	return names
}

// values are all flags with their values, as /api/v1/status/flags shows them.
func (f *flags) values() map[string]string {
	values := map[string]string{}
	for _, group := range f.groups {
		for _, name := range group.names {
			values[name] = f.app.GetFlag(name).Model().Value.String()
		}
	}
	return values
}

// uncovered returns the loopback addresses that no public address answers for.
func uncovered(loopback, public []string) []string {
	return slices.DeleteFunc(slices.Compact(loopback), func(address string) bool {
		_, port, _ := net.SplitHostPort(address)
		return slices.ContainsFunc(public, func(p string) bool {
			host, publicPort, _ := net.SplitHostPort(p)
			return publicPort == port && answersLoopback(host)
		})
	})
}

// answersLoopback says whether who listens on host is reached at 127.0.0.1. Other
// loopback addresses, ::1 among them, are others.
func answersLoopback(host string) bool {
	return host == "" || host == "localhost" || host == "127.0.0.1" || net.ParseIP(host).IsUnspecified()
}

// publicAddresses are those that the server is going to listen on, as far as it
// is known: systemd does not tell before it passes its sockets.
func publicAddresses(o *web.Options) []string {
	if o.SystemdSocket {
		return nil
	}
	return o.ListenAddresses
}
