// Package siteconfig makes a server do what the site configuration of a Sourcegraph
// instance says about alerts: observability.alerts, observability.silenceAlerts,
// email.address, email.smtp and externalURL become receivers, routes and silences,
// as they did in the sourcegraph/prometheus image.
//
// A [Subscriber] fetches the site configuration, or takes it when it is pushed, and
// hands what is used of it to the server as one document. Its [config.Overlay]
// translates that document, always the whole of it, and puts the outcome over the
// operator's own alertmanager.yml. The server knows nothing of Sourcegraph.
package siteconfig
