package main

import (
	"fmt"

	commoncfg "github.com/prometheus/common/config"
	promconfig "github.com/prometheus/prometheus/config"
)

// clientErrors builds the clients that the server builds of prometheus.yml, but
// for those of scrape jobs: files that these name are only read by building them.
func clientErrors(conf *promconfig.Config) (reasons []string) {
	note := func(section string, err error) {
		if err != nil {
			reasons = append(reasons, fmt.Sprintf("%s: %v", section, err))
		}
	}
	client := func(section string, i int, conf commoncfg.HTTPClientConfig) {
		_, err := commoncfg.NewClientFromConfig(conf, "check")
		note(fmt.Sprintf("%s[%d]", section, i), err)
	}
	for i, set := range conf.AlertingConfig.AlertmanagerConfigs {
		client("alerting.alertmanagers", i, set.HTTPClientConfig)
	}
	for i, remote := range conf.RemoteWriteConfigs {
		client("remote_write", i, remote.HTTPClientConfig)
	}
	for i, remote := range conf.RemoteReadConfigs {
		client("remote_read", i, remote.HTTPClientConfig)
	}
	_, err := commoncfg.NewTLSConfig(&conf.TracingConfig.TLSConfig)
	note("tracing", err)
	return reasons
}
