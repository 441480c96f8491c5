// Package rules is rule groups held in memory, and their evaluation: Prometheus's
// rule manager as a part. What the rules record goes into the storage that it is
// given; alerts leave through one func.
package rules
