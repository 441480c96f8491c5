package contender

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
)

// Config is what a contender is told to do.
type Config struct {
	Prometheus   string            // prometheus.yml, without a section "alerting"
	Alertmanager string            // alertmanager.yml
	Files        map[string]string // what they name by relative paths
}

// Layout is where one start of a contender finds its files and listens.
type Layout struct {
	dir                          string
	address, alertmanagerAddress string
}

// alertingConfig is what Prometheus needs besides, to reach its Alertmanager.
const alertingConfig = `
alerting:
  alertmanagers:
    - static_configs:
        - targets: [%q]
`

// NewLayout writes the configuration of one start into a new directory, which the
// Stop of what is started on it removes.
func NewLayout(c Config) (Layout, error) {
	addresses, err := freeAddresses(2)
	if err != nil {
		return Layout{}, err
	}
	dir, err := os.MkdirTemp("", "srcprom-bench-")
	if err != nil {
		return Layout{}, err
	}
	l := Layout{dir: dir, address: addresses[0], alertmanagerAddress: addresses[1]}
	if err := l.fill(c); err != nil {
		l.remove()
		return Layout{}, err
	}
	return l, nil
}

func (l Layout) fill(c Config) error {
	err := errors.Join(
		os.WriteFile(l.prometheusFile(false), []byte(c.Prometheus), 0o600),
		os.WriteFile(l.prometheusFile(true), fmt.Appendf([]byte(c.Prometheus), alertingConfig, l.alertmanagerAddress), 0o600),
		os.WriteFile(l.alertmanagerFile(), []byte(c.Alertmanager), 0o600),
	)
	for name, text := range c.Files {
		err = errors.Join(err, os.WriteFile(filepath.Join(l.dir, name), []byte(text), 0o600))
	}
	return err
}

// prometheusFile is the configuration of the metrics side, with or without
// telling it where its Alertmanager is.
func (l Layout) prometheusFile(withAlertmanager bool) string {
	if withAlertmanager {
		return filepath.Join(l.dir, "prometheus-pair.yml")
	}
	return filepath.Join(l.dir, "prometheus.yml")
}

func (l Layout) alertmanagerFile() string { return filepath.Join(l.dir, "alertmanager.yml") }

func (l Layout) remove() { _ = os.RemoveAll(l.dir) }

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
