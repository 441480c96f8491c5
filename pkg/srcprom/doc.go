// Package srcprom is Prometheus and Alertmanager in one process: it scrapes,
// stores, evaluates rules, routes alerts and delivers notifications, on one port,
// with one data directory and one configuration that is applied as a whole.
//
// A [Server] is made by [New], which opens its state, binds its listeners and
// checks its configuration, and lives in [Server.Run]:
//
//	opts := srcprom.DefaultOptions()
//	opts.Storage.Dir = "/var/lib/srcprom"
//	opts.ConfigFile = "/etc/srcprom/prometheus.yml"
//	server, err := srcprom.New(opts)
//	if err != nil {
//		return err
//	}
//	return server.Run(ctx)
//
// Nothing in this package touches a flag, a signal, the environment or a global
// registry, so several servers run side by side in one process. What the
// engines themselves keep per process is listed in docs/embedding.md. Service
// discovery other than static targets is compiled in by importing it:
//
//	import _ "github.com/prometheus/prometheus/discovery/file"
package srcprom
