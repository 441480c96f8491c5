package main

import (
	"fmt"
	"time"

	"github.com/sourcegraph/srcprom/bench/internal/contender"
)

const prometheusConfig = `
global:
  scrape_interval: %[1]s
  scrape_timeout: %[1]s
  evaluation_interval: %[1]s
rule_files: [rules.yml]
scrape_configs:
  - job_name: target
    static_configs:
      - targets: [%[2]q]
`

const rulesConfig = `
groups:
  - name: bench
    rules:
      - record: job:target_requests:rate5m
        expr: sum by (job) (rate(target_requests_total[5m]))
      - alert: Round
        expr: target_round > 0
      - alert: TargetDown
        expr: up == 0
        for: 5m
`

const alertmanagerConfig = `
route:
  receiver: bench
  group_by: [...]
  group_wait: 0s
  group_interval: 1m
  repeat_interval: 4h
receivers:
  - name: bench
    webhook_configs:
      - url: %q
        send_resolved: false
`

// config is what all contenders are told to do.
func config(interval time.Duration, lab *lab) contender.Config {
	return contender.Config{
		Prometheus:   fmt.Sprintf(prometheusConfig, interval, lab.target()),
		Alertmanager: fmt.Sprintf(alertmanagerConfig, lab.webhook()),
		Files:        map[string]string{"rules.yml": rulesConfig},
	}
}
