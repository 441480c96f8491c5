package srcprom

import (
	"context"
	"testing"
	"time"

	_ "github.com/prometheus/prometheus/discovery/http"
	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/config"
)

func TestChecks_WhatIsSeldomTriedAgainIsBrokenUntilThen(t *testing.T) {
	o := DefaultOptions()
	o.Storage.Dir = t.TempDir()
	o.Web.ListenAddresses = []string{"127.0.0.1:0"}
	o.Builtin = BuiltinNone
	o.Documents = map[string]string{
		config.PrometheusDocument:   "scrape_configs: [{job_name: app, http_sd_configs: [{url: 'http://127.0.0.1:1/', refresh_interval: 1h}]}]\n",
		config.AlertmanagerDocument: "{route: {receiver: nobody}, receivers: [{name: nobody}]}\n",
	}
	s, err := New(o)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- s.Run(ctx) }()
	defer func() {
		stop()
		require.NoError(t, <-stopped)
	}()
	now := time.Now()
	c := &checks{Server: s, now: func() time.Time { return now }}
	require.Eventually(t, func() bool { return len(c.scraping()) == 1 }, 20*time.Second, 5*time.Millisecond, "the first refresh")
	now = now.Add(50 * time.Minute)
	require.Len(t, c.scraping(), 1, "nobody has tried again")
	now = now.Add(20 * time.Minute)
	require.Empty(t, c.scraping())
}
