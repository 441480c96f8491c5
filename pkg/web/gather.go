package web

import (
	"errors"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// merged gathers a server's own metrics and, of those of the whole process, the
// families that the server has not: both registries usually have the collectors
// of the Go runtime and of the process.
type merged struct {
	own, process prometheus.Gatherer
}

// Gather returns the families of both, sorted by name.
func (g merged) Gather() ([]*dto.MetricFamily, error) {
	families, err := g.own.Gather()
	if g.process == nil {
		return families, err
	}
	known := make(map[string]bool, len(families))
	for _, family := range families {
		known[family.GetName()] = true
	}
	others, processErr := g.process.Gather()
	for _, family := range others {
		if !known[family.GetName()] {
			families = append(families, family)
		}
	}
	slices.SortFunc(families, func(a, b *dto.MetricFamily) int {
		return strings.Compare(a.GetName(), b.GetName())
	})
	return families, errors.Join(err, processErr)
}
