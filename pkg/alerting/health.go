package alerting

import (
	"github.com/sourcegraph/srcprom/pkg/config"
	"github.com/sourcegraph/srcprom/pkg/internal/counters"
)

// failedPeers is the number of peers that the cluster has lost.
const failedPeers = "alertmanager_cluster_failed_peers"

// LostIntegrations are those that routes lead to and that cannot be built, so that
// what only they would have sent is not sent.
func (m *Manager) LostIntegrations() []config.Integration {
	current := m.current.Load()
	if current == nil || current.blueprint == nil {
		return nil
	}
	return current.blueprint.lost
}

// DroppedAlerts counts, for each external Alertmanager, the alerts that it will
// never get.
func (m *Manager) DroppedAlerts() map[string]float64 {
	dropped := map[string]float64{}
	for _, v := range counters.ValuesOf(m.sent.dropped) {
		if target := v.Labels["alertmanager"]; m.engine == nil || target != m.engine.intake.target {
			dropped[target] = v.Value
		}
	}
	return dropped
}

// FailedPeers is how many peers of the cluster do not answer.
func (m *Manager) FailedPeers() int {
	if m.engine == nil {
		return 0
	}
	n := 0
	for _, v := range m.engine.clusterCounters.Values(failedPeers) {
		n += int(v.Value)
	}
	return n
}
