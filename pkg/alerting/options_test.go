package alerting

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestOptions_DefaultsAreValidWithDataDir(t *testing.T) {
	opts := DefaultOptions()
	require.EqualError(t, opts.Validate(), `alerting: Options.DataDir is "": it must be set`)
	opts.DataDir = "/data"
	require.NoError(t, opts.Validate())
	opts.Cluster.ListenAddress = ":9094"
	require.NoError(t, opts.Validate())
}

func TestOptions_ValidateReportsEveryProblem(t *testing.T) {
	err := Options{
		DispatchStartDelay: -1,
		DrainTimeout:       -time.Second,
		CORSOrigin:         "(",
		Features:           []string{"classic-mode", "utf8-strict-mode"},
		Cluster:            ClusterOptions{ListenAddress: ":9094", SettleTimeout: -1},
	}.Validate()
	for _, field := range []string{
		"DataDir", "Retention", "MaintenanceInterval", "AlertGCInterval", "DispatchMaintenanceInterval",
		"DispatchStartDelay", "DrainTimeout is -1s", "CORSOrigin", "Features",
		"External.QueueCapacity is 0: it must be at least 1", "External.MaxBatchSize",
		"Cluster.PeerTimeout", "Cluster.PeersResolveTimeout", "Cluster.GossipInterval", "Cluster.PushPullInterval",
		"Cluster.TCPTimeout", "Cluster.ProbeTimeout", "Cluster.ProbeInterval", "Cluster.ReconnectInterval",
		"Cluster.ReconnectTimeout", "Cluster.SettleTimeout",
	} {
		require.ErrorContains(t, err, "alerting: Options."+field)
	}
	require.Len(t, strings.Split(err.Error(), "\n"), 21)
}

func TestOptions_DisabledNeedsNoDataDir(t *testing.T) {
	opts := DefaultOptions()
	opts.Disabled = true
	require.NoError(t, opts.Validate())
}
