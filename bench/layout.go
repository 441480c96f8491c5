package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"
)

// layout is where one start of a contender finds its files and listens.
type layout struct {
	dir                          string
	address, alertmanagerAddress string
}

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

// alertingConfig is what Prometheus needs besides, to reach its Alertmanager.
const alertingConfig = `
alerting:
  alertmanagers:
    - static_configs:
        - targets: [%q]
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

// newLayout writes the configuration of one start into a new directory.
func newLayout(interval time.Duration, target, webhook string) (layout, error) {
	dir, err := os.MkdirTemp("", "srcprom-bench-")
	if err != nil {
		return layout{}, err
	}
	addresses, err := freeAddresses(2)
	if err != nil {
		return layout{}, err
	}
	l := layout{dir: dir, address: addresses[0], alertmanagerAddress: addresses[1]}
	prometheus := fmt.Sprintf(prometheusConfig, interval, target)
	return l, errors.Join(
		os.WriteFile(l.prometheusFile(false), []byte(prometheus), 0o600),
		os.WriteFile(l.prometheusFile(true), fmt.Appendf(nil, prometheus+alertingConfig, l.alertmanagerAddress), 0o600),
		os.WriteFile(l.alertmanagerFile(), fmt.Appendf(nil, alertmanagerConfig, webhook), 0o600),
		os.WriteFile(filepath.Join(dir, "rules.yml"), []byte(rulesConfig), 0o600),
	)
}

// prometheusFile is the configuration of the metrics side, with or without
// telling it where its Alertmanager is.
func (l layout) prometheusFile(withAlertmanager bool) string {
	if withAlertmanager {
		return filepath.Join(l.dir, "prometheus-pair.yml")
	}
	return filepath.Join(l.dir, "prometheus.yml")
}

func (l layout) alertmanagerFile() string { return filepath.Join(l.dir, "alertmanager.yml") }

func (l layout) remove() { _ = os.RemoveAll(l.dir) }

// freeAddresses returns addresses of the loopback interface on which nothing
// listens. All are held until the last is known, so that none is given twice.
func freeAddresses(n int) ([]string, error) {
	var addresses []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		addresses = append(addresses, l.Addr().String())
	}
	return addresses, nil
}
