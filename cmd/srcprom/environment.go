package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/sourcegraph/srcprom/pkg/siteconfig"
)

// variable is one variable of the environment that the program reads.
type variable struct {
	name string
	// suffixed says that NAME_prom_wrapper wins over NAME, as it does in the
	// sourcegraph/prometheus image.
	suffixed bool
	help     string
	// use acts on the value, which is not empty. Nil for what others read.
	use func(e *environment, value string) error
}

// variables is every variable of the environment that has a meaning. An empty
// value is that of a variable which is not set.
func variables() []variable {
	return []variable{
		{"EXPORT_PORT", true, "Port of the default `--web.listen-address`, on all interfaces.", func(e *environment, v string) error {
			port, err := parsePort(v)
			e.defaults["web.listen-address"] = ":" + port
			return err
		}},
		{"PROMETHEUS_INTERNAL_PORT", true, "When set, this port answers as well, on 127.0.0.1 only.", (*environment).addLoopback},
		{"ALERTMANAGER_INTERNAL_PORT", true, "When set, this port answers as well, on 127.0.0.1 only.", (*environment).addLoopback},
		{"STORAGE_PATH", false, "Default of `--storage.tsdb.path`.", setDefault("storage.tsdb.path")},
		{"ALERTMANAGER_CONFIG_PATH", true, "Default of `--alertmanager.config.file`.", setDefault("alertmanager.config.file")},
		{"ALERTMANAGER_ENABLE_CLUSTER", true, "Exactly `true` makes `" + clusterAddress + "` the default of `--cluster.listen-address`.", func(e *environment, v string) error {
			if v == "true" {
				e.defaults["cluster.listen-address"] = clusterAddress
			}
			return nil
		}},
		{"DISABLE_ALERTMANAGER", false, "Exactly `true` turns the built-in Alertmanager off.", func(e *environment, v string) error {
			if e.noAlertmanager = v == "true"; e.noAlertmanager {
				e.sourcegraph.off = "DISABLE_ALERTMANAGER=true"
			}
			return nil
		}},
		{"DISABLE_SOURCEGRAPH_CONFIG", false, "Exactly `true` turns the site configuration off: alertmanager.yml holds as it is.", func(e *environment, v string) error {
			if v == "true" && e.sourcegraph.off == "" {
				e.sourcegraph.off = "DISABLE_SOURCEGRAPH_CONFIG=true"
			}
			return nil
		}},
		{"SRC_FRONTEND_INTERNAL", true, "Switches the site configuration on. Default of `--siteconfig.url`, which is `" + defaultFrontend + "` where `" + addOns + "` exists.", func(e *environment, v string) error {
			e.sourcegraph.asked = true
			e.defaults["siteconfig.url"] = v
			return nil
		}},
		{"CONFIGURATION_MODE", false, "`empty` means that no site configuration is fetched, unless `--siteconfig.url` is on the command line.", func(e *environment, v string) error {
			e.sourcegraph.unread = v == "empty"
			return nil
		}},
		{"OPSGENIE_API_KEY", false, "For Opsgenie notifiers of the site configuration that have no key of their own.", func(e *environment, v string) error {
			return e.setSourcegraph(func(o *siteconfig.Options) { o.OpsgenieAPIKey = v })
		}},
		{"INCIDENT_IO_ALERT_SOURCE_TOKEN", false, "For incident.io notifiers of the site configuration that have no token of their own.", func(e *environment, v string) error {
			return e.setSourcegraph(func(o *siteconfig.Options) { o.IncidentIOToken = v })
		}},
		{"SRC_GRPC_ENABLE_CONF", true, "`true` makes `grpc` the default of `--siteconfig.protocol`. Anything else leaves it as it is, since newer frontends answer nothing but gRPC.", func(e *environment, v string) error {
			if yes, err := strconv.ParseBool(v); err == nil && yes {
				e.defaults["siteconfig.protocol"] = siteconfig.ProtocolGRPC
			}
			return nil
		}},
		retry("SRC_GRPC_RETRY_DELAY_BASE", "The first delay before a call over gRPC is repeated is at most this long, each further one at most twice the one before. 50ms by default.",
			parseDuration, func(o *siteconfig.Options) *time.Duration { return &o.GRPCRetry.DelayBase }),
		retry("SRC_GRPC_RETRY_MAX_ATTEMPTS", "Maximum number of such calls for one fetch. 20 by default.",
			parseNumber, func(o *siteconfig.Options) *int { return &o.GRPCRetry.MaxAttempts }),
		retry("SRC_GRPC_RETRY_MAX_DURATION", "Time after which none is repeated. 3s by default.",
			parseDuration, func(o *siteconfig.Options) *time.Duration { return &o.GRPCRetry.MaxDuration }),
		retry("SRC_HTTP_CLI_INTERNAL_RETRY_DELAY_BASE", "As SRC_GRPC_RETRY_DELAY_BASE, over HTTP. 50ms by default.",
			parseDuration, func(o *siteconfig.Options) *time.Duration { return &o.HTTPRetry.DelayBase }),
		retry("SRC_HTTP_CLI_INTERNAL_RETRY_DELAY_MAX", "Longest of these delays. 1s by default.",
			parseDuration, func(o *siteconfig.Options) *time.Duration { return &o.HTTPRetry.DelayMax }),
		retry("SRC_HTTP_CLI_INTERNAL_RETRY_MAX_ATTEMPTS", "As SRC_GRPC_RETRY_MAX_ATTEMPTS, over HTTP. 20 by default.",
			parseNumber, func(o *siteconfig.Options) *int { return &o.HTTPRetry.MaxAttempts }),
		retry("SRC_HTTP_CLI_INTERNAL_RETRY_AFTER_MAX_DURATION", "Longest time that an answer may ask for with Retry-After. 3s by default.",
			parseDuration, func(o *siteconfig.Options) *time.Duration { return &o.HTTPRetry.AfterMaxDuration }),
		{"PROMETHEUS_ADDITIONAL_FLAGS", false, "Flags, separated by white space, without quoting. One that takes a single value and is on the command line too is left out, with a warning.", func(e *environment, v string) error {
			e.flags = append(e.flags, environmentFlags{"PROMETHEUS_ADDITIONAL_FLAGS", strings.Fields(v)})
			return nil
		}},
		{"ALERTMANAGER_ADDITIONAL_FLAGS", false, "Likewise, with Alertmanager's own names: `--data.retention` means `--alertmanager.data.retention`; `--cluster.*` stay as they are.", func(e *environment, v string) error {
			e.flags = append(e.flags, environmentFlags{"ALERTMANAGER_ADDITIONAL_FLAGS", prefixed(strings.Fields(v))})
			return nil
		}},
		{"SRC_LOG_LEVEL", false, "Default of `--log.level`. `dbug`, `eror`, `crit` and `none` are understood as well; the last two mean `error`.", func(e *environment, v string) error {
			return e.translate("SRC_LOG_LEVEL", v, "log.level", map[string]string{
				"dbug": "debug", "debug": "debug", "info": "info", "warn": "warn",
				"eror": "error", "error": "error", "crit": "error", "none": "error",
			})
		}},
		{"SRC_LOG_FORMAT", false, "Default of `--log.format`. `json_gcp` means `json`, `condensed` means `logfmt`.", func(e *environment, v string) error {
			return e.translate("SRC_LOG_FORMAT", v, "log.format", map[string]string{
				"json": "json", "json_gcp": "json", "logfmt": "logfmt", "condensed": "logfmt",
			})
		}},
		{"DEBUG", false, "Any value turns the block and mutex profiles on.", func(*environment, string) error {
			runtime.SetBlockProfileRate(20)
			runtime.SetMutexProfileFraction(20)
			return nil
		}},
		{"GOGC", false, "Default of `runtime.gogc` in prometheus.yml, which is 75 without it.", nil},
		{"GOMEMLIMIT", false, "Memory limit of the Go runtime; wins over `--auto-gomemlimit`.", nil},
		{"GOMAXPROCS", false, "Number of threads that run Go code; wins over `--auto-gomaxprocs`.", nil},
	}
}

// environment is what the variables ask for. A flag wins over each.
type environment struct {
	defaults       map[string]string // of flags, by name
	loopback       []string          // further addresses to listen on
	noAlertmanager bool
	flags          []environmentFlags
	sourcegraph    sourcegraph
	warnings       []string
}

// environmentFlags are the flags that one variable holds.
type environmentFlags struct {
	variable string
	args     []string
}

// readEnvironment asks lookup, usually os.LookupEnv, for every variable.
func readEnvironment(lookup func(string) (string, bool)) (*environment, error) {
	e := &environment{defaults: map[string]string{}}
	for _, v := range variables() {
		value, found := "", false
		if v.suffixed {
			value, found = lookup(v.name + "_prom_wrapper")
		}
		if !found {
			value, _ = lookup(v.name)
		}
		if value == "" || v.use == nil {
			continue
		}
		if err := v.use(e, value); err != nil {
			return nil, fmt.Errorf("environment variable %s: %w", v.name, err)
		}
	}
	return e, nil
}

func setDefault(flag string) func(*environment, string) error {
	return func(e *environment, value string) error {
		e.defaults[flag] = value
		return nil
	}
}

// translate makes the value the default of a flag in the flag's own words. A word
// that is not known must not keep the server down.
func (e *environment) translate(variable, value, flag string, words map[string]string) error {
	word, ok := words[strings.ToLower(value)]
	if !ok {
		e.warnings = append(e.warnings, fmt.Sprintf("%s=%q is not known and is ignored; use --%s", variable, value, flag))
		return nil
	}
	e.defaults[flag] = word
	return nil
}

func (e *environment) addLoopback(value string) error {
	port, err := parsePort(value)
	e.loopback = append(e.loopback, "127.0.0.1:"+port)
	return err
}

// setSourcegraph keeps for later what is to be done with the options of the site
// configuration.
func (e *environment) setSourcegraph(set func(*siteconfig.Options)) error {
	e.sourcegraph.set = append(e.sourcegraph.set, set)
	return nil
}

// retry is a variable that says how the fetching of the site configuration is
// repeated.
func retry[T any](name, help string, parse func(string) (T, error), field func(*siteconfig.Options) *T) variable {
	return variable{name, true, help, func(e *environment, text string) error {
		value, err := parse(text)
		if err != nil {
			return err
		}
		return e.setSourcegraph(func(o *siteconfig.Options) { *field(o) = value })
	}}
}

func parseNumber(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, fmt.Errorf("not a number: %q", text)
	}
	return n, nil
}

func parseDuration(text string) (time.Duration, error) {
	var d duration
	err := d.Set(text)
	return time.Duration(d), err
}

func parsePort(text string) (string, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		return "", fmt.Errorf("port %q: must be a number from 1 to 65535", text)
	}
	return strconv.FormatUint(n, 10), nil
}

// prefixed turns Alertmanager's own flags into ours.
func prefixed(args []string) []string {
	ours := make([]string, len(args))
	for i, arg := range args {
		name, isFlag := strings.CutPrefix(arg, "--")
		name, negated := strings.CutPrefix(name, "no-")
		switch {
		case !isFlag || strings.HasPrefix(name, "cluster.") || strings.HasPrefix(name, "alertmanager."):
			ours[i] = arg
		case negated:
			ours[i] = "--no-alertmanager." + name
		default:
			ours[i] = "--alertmanager." + name
		}
	}
	return ours
}

// fileExists is how defaults that depend on the file system are looked up. What is
// there and cannot be used is for the server to complain about.
func fileExists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
