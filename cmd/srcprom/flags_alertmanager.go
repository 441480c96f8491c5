package main

import (
	"github.com/alecthomas/units"

	"github.com/sourcegraph/srcprom/pkg/alerting"
	"github.com/sourcegraph/srcprom/pkg/srcprom"
)

// addAlertmanager adds the flags of the built-in Alertmanager under the prefix
// --alertmanager., and those of the sending to external ones, which Prometheus
// gave the same prefix.
func (f *flags) addAlertmanager(configFile *string, features *[]string, o *alerting.Options) {
	f.group("Alerting", "Alertmanager's own flags, with `--alertmanager.` in front of their names.")
	f.text("alertmanager.config.file", "Path of alertmanager.yml. Without it, ./alertmanager.yml where that exists; else alerts are shown, and are delivered to nobody.", configFile).PlaceHolder("<path>")
	f.text("alertmanager.storage.path", "Data directory of an Alertmanager whose silences and notification log are imported, once. Without it, `"+oldSnapshots+"` where one has left them.", &o.ImportDir).PlaceHolder("<path>")
	f.duration("alertmanager.data.retention", "How long to keep silences after their end, and alerts whose end could not be told. 1w with the site configuration of a Sourcegraph instance.", &o.Retention)
	f.duration("alertmanager.data.maintenance-interval", "Interval between garbage collections of silences and notification log.", &o.MaintenanceInterval)
	f.integer("alertmanager.silences.max-silences", "Maximum number of silences, expired ones included. 0 means no limit.", &o.MaxSilences)
	f.integer("alertmanager.silences.max-silence-size-bytes", "Maximum size of a silence in bytes. 0 means no limit.", &o.MaxSilenceSizeBytes)
	f.yes("alertmanager.log.silences", "Log each change of a silence.", &o.SilenceLogging)
	f.duration("alertmanager.alerts.gc-interval", "Interval between removals of resolved alerts.", &o.AlertGCInterval)
	f.integer("alertmanager.alerts.per-alertname-limit", "Maximum number of alerts of one name. 0 means no limit.", &o.PerAlertNameLimit)
	f.duration("alertmanager.dispatch.maintenance-interval", "Interval between removals of empty groups of alerts.", &o.DispatchMaintenanceInterval)
	f.duration("alertmanager.dispatch.start-delay", "How long to wait after the start before anything is sent.", &o.DispatchStartDelay)
	f.integer("alertmanager.web.get-concurrency", "Maximum number of concurrent GET requests of Alertmanager's API. 0 means the number of CPUs or 8, whichever is larger.", &o.GetConcurrency)
	f.duration("alertmanager.web.timeout", "Timeout of requests of Alertmanager's API, but for changes of silences. 0 means none.", &o.HTTPTimeout)
	f.text("alertmanager.web.cors.origin", "Regular expression, fully anchored, of the origins whose pages may call Alertmanager's API. Empty means none.", &o.CORSOrigin)
	f.texts("alertmanager.enable-feature", "The same as --enable-feature, for names of Alertmanager's.", features).Hidden()
	f.text("alerting.dead-mans-switch.receiver", "Receiver of alertmanager.yml that is sent an alert that always fires, so that somebody else notices when nothing comes any more. Empty means none.", &o.DeadMansSwitchReceiver).PlaceHolder("<name>")
	f.duration("alerting.dead-mans-switch.interval", "Time between two such notifications.", &o.DeadMansSwitchInterval)

	f.group("External Alertmanagers", "For those that `alerting` in prometheus.yml names.")
	f.integer("alertmanager.notification-queue-capacity", "Number of alerts that wait for each external Alertmanager.", &o.External.QueueCapacity)
	f.integer("alertmanager.notification-batch-size", "Maximum number of alerts in one request to an external Alertmanager.", &o.External.MaxBatchSize)
	f.yes("alertmanager.drain-notification-queue-on-shutdown", "Send what waits for external Alertmanagers before stopping.", &o.External.DrainOnShutdown)
}

// addHistory adds the bounds of the history of alerts.
func (f *flags) addHistory(o *srcprom.HistoryOptions) {
	f.group("History of alerts", "What became of each alert, and why: see [history](history.md).")
	f.duration("alerting.history.retention.time", "How long to keep the history.", &o.MaxAge)
	f.size64("alerting.history.retention.size", "Maximum size of the history; the oldest part of it is removed first.", &o.MaxBytes).
		Default(units.Base2Bytes(o.MaxBytes).String())
}
