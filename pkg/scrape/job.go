package scrape

import (
	"fmt"

	commoncfg "github.com/prometheus/common/config"
	promconfig "github.com/prometheus/prometheus/config"
)

// CheckJob builds what a scrape job needs to run, and throws it away: its HTTP
// client, with the files that it names, and its name escaping.
func CheckJob(job *promconfig.ScrapeConfig) error {
	if _, err := commoncfg.NewClientFromConfig(job.HTTPClientConfig, job.JobName); err != nil {
		return fmt.Errorf("build its HTTP client: %w", err)
	}
	if _, err := promconfig.ToEscapingScheme(job.MetricNameEscapingScheme, job.MetricNameValidationScheme); err != nil {
		return fmt.Errorf("metric_name_escaping_scheme: %w", err)
	}
	return nil
}
