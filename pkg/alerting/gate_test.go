package alerting

import (
	"testing"

	amconfig "github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/stretchr/testify/require"
)

// A group that goes on reads its waits, so that they must not change any more.
func TestGate_StaysClosedWhenAGroupHasLeft(t *testing.T) {
	for name, left := range map[string]bool{"all wait": false, "one has left": true} {
		t.Run(name, func(t *testing.T) {
			routes := dispatch.NewRoute(&amconfig.Route{Receiver: "team"}, nil)
			configured := routes.RouteOpts.GroupInterval
			g := newGate(routes)
			require.True(t, g.expect())
			g.arrive()
			if left {
				g.leave()
			}
			g.openWhenFull(t.Context())
			require.Equal(t, !left, g.isOpen())
			require.Equal(t, !left, routes.RouteOpts.GroupInterval == configured)
		})
	}
}
