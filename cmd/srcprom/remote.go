package main

import (
	"fmt"

	"github.com/alecthomas/kingpin/v2"
	commoncfg "github.com/prometheus/common/config"

	"github.com/sourcegraph/srcprom/pkg/client"
)

// remote is the running server that a command asks.
type remote struct {
	url            string
	httpConfigFile string
}

// addTo adds the flags that say how the server is reached; they are promtool's.
func (r *remote) addTo(command *kingpin.CmdClause) {
	command.Flag("url", "Address of the running server, with its route prefix if it has one.").Default("http://localhost:9090").StringVar(&r.url)
	command.Flag("http.config.file", "Path of an HTTP client configuration file, as promtool takes: TLS, authentication, proxy.").PlaceHolder("<filename>").StringVar(&r.httpConfigFile)
}

// client returns a client of the server.
func (r *remote) client() (*client.Client, error) {
	if r.httpConfigFile == "" {
		return client.New(r.url)
	}
	conf, _, err := commoncfg.LoadHTTPConfigFile(r.httpConfigFile)
	if err != nil {
		return nil, fmt.Errorf("read the HTTP client configuration %q: %w", r.httpConfigFile, err)
	}
	httpClient, err := commoncfg.NewClientFromConfig(*conf, buildName)
	if err != nil {
		return nil, fmt.Errorf("use the HTTP client configuration %q: %w", r.httpConfigFile, err)
	}
	return client.New(r.url, client.WithHTTPClient(httpClient))
}
