package web

import (
	promconfig "github.com/prometheus/prometheus/config"
)

// mask stands for a secret, as in the engines' own output.
const mask = "<secret>"

// masked is a copy of a configuration that may be shown. The engine hides what it
// knows to be secret when it writes a configuration; the headers of remote write,
// remote read and tracing, which often carry keys, it does not.
func masked(cfg *promconfig.Config) promconfig.Config {
	shown := *cfg
	shown.RemoteWriteConfigs = make([]*promconfig.RemoteWriteConfig, len(cfg.RemoteWriteConfigs))
	for i, remote := range cfg.RemoteWriteConfigs {
		one := *remote
		one.Headers = maskedValues(remote.Headers)
		shown.RemoteWriteConfigs[i] = &one
	}
	shown.RemoteReadConfigs = make([]*promconfig.RemoteReadConfig, len(cfg.RemoteReadConfigs))
	for i, remote := range cfg.RemoteReadConfigs {
		one := *remote
		one.Headers = maskedValues(remote.Headers)
		shown.RemoteReadConfigs[i] = &one
	}
	shown.TracingConfig.Headers = maskedValues(cfg.TracingConfig.Headers)
	return shown
}

func maskedValues(headers map[string]string) map[string]string {
	if len(headers) == 0 {
		return headers
	}
	hidden := make(map[string]string, len(headers))
	for name := range headers {
		hidden[name] = mask
	}
	return hidden
}
