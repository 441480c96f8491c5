// Package alerting is the way from a firing rule to a delivered notification:
// Alertmanager's engine in the process, and around it what a reload, a slow
// receiver and a stop may not break.
//
// The rule engine calls [Manager.Send], which never blocks. Alerts wait in a
// hand-off until the engine's provider takes them, each at its latest state, so
// nothing is dropped. From there on it is Alertmanager: dispatcher, inhibition,
// silences, time intervals, notification log. One stage of ours stands between
// the dispatcher and the receivers. It detaches what is being sent from the
// dispatcher's life, so that a new configuration cancels nothing, keeps two
// flushes of one group and receiver apart, so that nothing is sent twice, and
// waits, bounded, for what is in flight when the process stops.
//
// External Alertmanagers are served beside it by Prometheus's own notifier.
package alerting
