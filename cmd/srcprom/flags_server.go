package main

import "strings"

// addServer adds the flags of the program as a whole.
func (f *flags) addServer(s *settings) {
	o := &s.server
	f.group("Server", "")
	f.text("config.file", "Path of prometheus.yml. Without it, ./prometheus.yml where that exists; else an embedded configuration that scrapes the server itself.", &o.ConfigFile).PlaceHolder("<path>")
	f.yes("config.auto-reload", "Reload by itself when a configuration file, or a file that one names, has changed.", &o.AutoReload)
	f.duration("config.auto-reload-interval", "Interval of looking for such changes, at least 1s.", &o.AutoReloadInterval)
	f.oneOf("monitoring.builtin", "What is watched without being asked: self adds, where there is no configuration file, a scrape of itself; none adds nothing.", &o.Builtin, "self", "none")
	f.duration("shutdown.timeout", "Longest time that a stop takes: requests and notifications in flight, and the closing of the storage. Container runtimes kill after ten seconds.", &o.StopTimeout)
	f.yes("auto-gomaxprocs", "Use as many CPUs as the quota of the container allows.", &s.limits.procs)
	f.yes("auto-gomemlimit", "Derive the memory limit of the Go runtime (GOMEMLIMIT) from the limit of the container or the memory of the machine.", &s.limits.memory)
	f.ratio("auto-gomemlimit.ratio", "Share of that memory which the limit takes, greater than 0 and at most 1.", &s.limits.ratio)
	f.duration("auto-gomemlimit.refresh-interval", "Interval of detecting that memory again. 0 detects it once.", &s.limits.refresh)
	f.texts("enable-feature", "Names of experimental features of Prometheus's and Alertmanager's, separated by commas. Can be repeated. They are listed in docs/flags.md.", &s.features)
	f.oneOf("log.level", "Only log messages with the given severity or above; one of "+strings.Join(logLevels, ", ")+". runtime.log_level in prometheus.yml wins, and can be changed while running.", &s.logLevel, logLevels...)
	f.oneOf("log.format", "Format of log messages; one of "+strings.Join(logFormats, ", ")+".", &s.logFormat, logFormats...)
}
