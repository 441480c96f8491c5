package alerting

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestOptions_DefaultsAreValid(t *testing.T) {
	opts := DefaultOptions()
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
		"Retention", "MaintenanceInterval", "AlertGCInterval", "DispatchMaintenanceInterval",
		"DispatchStartDelay", "DrainTimeout is -1s", "CORSOrigin", "Features",
		"External.QueueCapacity is 0: it must be at least 1", "External.MaxBatchSize",
		"Cluster.PeerTimeout", "Cluster.PeersResolveTimeout", "Cluster.GossipInterval", "Cluster.PushPullInterval",
		"Cluster.TCPTimeout", "Cluster.ProbeTimeout", "Cluster.ProbeInterval", "Cluster.ReconnectInterval",
		"Cluster.ReconnectTimeout", "Cluster.SettleTimeout",
	} {
		require.ErrorContains(t, err, "alerting: Options."+field)
	}
	require.Len(t, strings.Split(err.Error(), "\n"), 20)
}

func TestOptions_DisabledNeedsOnlyThoseOfExternal(t *testing.T) {
	opts := Options{Disabled: true, External: DefaultOptions().External}
	require.NoError(t, opts.Validate())
}
