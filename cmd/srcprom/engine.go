package main

import (
	"time"

	"github.com/prometheus/prometheus/scrape"
)

// engineSettings are those of Prometheus's settings that it keeps in variables of
// its packages, and so for the whole process.
type engineSettings struct {
	alignTimestamps    bool
	timestampTolerance time.Duration
}

func defaultEngineSettings() engineSettings {
	return engineSettings{scrape.AlignScrapeTimestamps, scrape.ScrapeTimestampTolerance}
}

func (e engineSettings) apply() {
	scrape.AlignScrapeTimestamps = e.alignTimestamps
	scrape.ScrapeTimestampTolerance = e.timestampTolerance
}
