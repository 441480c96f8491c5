package web

import (
	"errors"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
)

func registryWith(values map[string]float64) *prometheus.Registry {
	reg := prometheus.NewRegistry()
	for name, value := range values {
		gauge := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: name})
		gauge.Set(value)
		reg.MustRegister(gauge)
	}
	return reg
}

func TestMerged_OwnFamiliesWin(t *testing.T) {
	g := merged{
		own:     registryWith(map[string]float64{"b": 1, "go_goroutines": 2}),
		process: registryWith(map[string]float64{"a": 3, "go_goroutines": 4}),
	}
	families, err := g.Gather()
	require.NoError(t, err)
	got := make(map[string]float64)
	var order []string
	for _, family := range families {
		got[family.GetName()] = firstValue(family)
		order = append(order, family.GetName())
	}
	require.Equal(t, map[string]float64{"a": 3, "b": 1, "go_goroutines": 2}, got)
	require.Equal(t, []string{"a", "b", "go_goroutines"}, order)
}

func TestMerged_WithoutProcessGathersOwn(t *testing.T) {
	families, err := merged{own: registryWith(map[string]float64{"a": 1})}.Gather()
	require.NoError(t, err)
	require.Len(t, families, 1)
}

func TestMerged_ReportsTheErrorsOfBoth(t *testing.T) {
	fail := func(text string) prometheus.GathererFunc {
		return func() ([]*dto.MetricFamily, error) { return nil, errors.New(text) }
	}
	_, err := merged{own: fail("one"), process: fail("two")}.Gather()
	require.ErrorContains(t, err, "one")
	require.ErrorContains(t, err, "two")
}
