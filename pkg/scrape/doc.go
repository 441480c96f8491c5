// Package scrape is service discovery and scraping: Prometheus's discovery
// manager and scrape manager as one part, which writes into whatever storage it is
// given.
//
// Which kinds of service discovery there are depends on which packages below
// github.com/prometheus/prometheus/discovery the program imports; this one
// imports none.
package scrape
