// Package client talks to the endpoints that srcprom has beside those of
// Prometheus and Alertmanager: under /api/srcprom/v1, and under /prom-wrapper as the
// sourcegraph/prometheus image had them. It holds their wire types, which the server
// uses as well, and imports nothing else of the module.
//
// The endpoints of Prometheus and Alertmanager are served unchanged; use their
// own clients for them.
package client
