//go:build !lean

package main

import _ "github.com/prometheus/prometheus/plugins" // every service discovery of Prometheus

// buildName is what this build of the program is called.
const buildName = "srcprom"
