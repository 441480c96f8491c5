// Package web is the one HTTP surface of srcprom: Prometheus's API and
// Alertmanager's, srcprom's own, probes, lifecycle, metrics and the pages that
// links in notifications lead to, all below one route prefix.
//
// Listen binds the addresses, so that the external URL is known before the parts
// that put it into alerts are built; New mounts what those parts offer; Run
// serves until its context is done.
//
// There are three doors. The public one stands behind the web configuration file
// (TLS, client certificates, basic authentication). The internal one is plain and
// on loopback, for deployed configuration files that name such addresses; it
// narrows to what those files need as soon as a web configuration file is set.
// The third is DialSelf: in memory, for scraping this very process, whatever the
// public door demands.
package web
