package counters

import (
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Registerer remembers some of the collectors that are registered on it. It is
// safe for concurrent use.
type Registerer struct {
	reg prometheus.Registerer

	mu     sync.Mutex // guards what follows
	wanted map[string][]prometheus.Collector
}

var _ prometheus.Registerer = (*Registerer)(nil)

// Watch returns a registerer that passes everything on, if there is somebody to
// pass it on to, and remembers the collectors of the given names.
func Watch(reg prometheus.Registerer, names ...string) *Registerer {
	r := &Registerer{reg: reg, wanted: make(map[string][]prometheus.Collector, len(names))}
	for _, name := range names {
		r.wanted[name] = nil
	}
	return r
}

// Register implements prometheus.Registerer.
func (r *Registerer) Register(c prometheus.Collector) error {
	if r.reg != nil {
		if err := r.reg.Register(c); err != nil {
			return err
		}
	}
	name := NameOf(c)
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.wanted[name]; ok {
		r.wanted[name] = append(r.wanted[name], c)
	}
	return nil
}

// MustRegister implements prometheus.Registerer.
func (r *Registerer) MustRegister(collectors ...prometheus.Collector) {
	for _, c := range collectors {
		if err := r.Register(c); err != nil {
			panic(err)
		}
	}
}

// Unregister implements prometheus.Registerer. What it takes away is still read,
// as long as it is kept by who registered it.
func (r *Registerer) Unregister(c prometheus.Collector) bool {
	return r.reg == nil || r.reg.Unregister(c)
}

// Value is that of one counter or gauge.
type Value struct {
	Labels map[string]string
	Value  float64
}

// Values are those of all metrics of a name that Watch was given.
func (r *Registerer) Values(name string) []Value {
	r.mu.Lock()
	collectors := r.wanted[name]
	r.mu.Unlock()
	return ValuesOf(collectors...)
}

// ValuesOf reads counters and gauges.
func ValuesOf(collectors ...prometheus.Collector) []Value {
	var values []Value
	for _, c := range collectors {
		metrics := make(chan prometheus.Metric)
		go func() {
			defer close(metrics)
			c.Collect(metrics)
		}()
		for metric := range metrics {
			var m dto.Metric
			if metric.Write(&m) != nil {
				continue // it is not readable for others either
			}
			v := Value{Labels: make(map[string]string, len(m.GetLabel())), Value: m.GetCounter().GetValue() + m.GetGauge().GetValue()}
			for _, l := range m.GetLabel() {
				v.Labels[l.GetName()] = l.GetValue()
			}
			values = append(values, v)
		}
	}
	return values
}

// NameOf is the name of a collector's first metric; a Desc tells it only in its
// text.
func NameOf(c prometheus.Collector) string {
	descs := make(chan *prometheus.Desc)
	go func() {
		defer close(descs)
		c.Describe(descs)
	}()
	var name string
	for desc := range descs {
		if name == "" {
			_, rest, _ := strings.Cut(desc.String(), `fqName: "`)
			name, _, _ = strings.Cut(rest, `"`)
		}
	}
	return name
}
