package alerting

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sourcegraph/srcprom/pkg/internal/counters"
)

// capture is a registerer that remembers some of the collectors which upstream
// registers and keeps to itself, so that we can count on them too.
type capture struct {
	prometheus.Registerer
	// wanted are the names of the metrics to remember.
	wanted map[string]prometheus.Collector
	// replaced are the names of metrics that are not registered: ours stand in for
	// them.
	replaced map[string]bool
}

func newCapture(reg prometheus.Registerer, wanted []string, replaced ...string) *capture {
	c := &capture{Registerer: reg, wanted: map[string]prometheus.Collector{}, replaced: map[string]bool{}}
	for _, name := range wanted {
		c.wanted[name] = nil
	}
	for _, name := range replaced {
		c.replaced[name] = true
	}
	return c
}

// Register implements prometheus.Registerer.
func (c *capture) Register(collector prometheus.Collector) error {
	name := counters.NameOf(collector)
	if _, ok := c.wanted[name]; ok {
		c.wanted[name] = collector
	}
	if c.replaced[name] {
		return nil
	}
	return c.Registerer.Register(collector)
}

// MustRegister implements prometheus.Registerer.
func (c *capture) MustRegister(collectors ...prometheus.Collector) {
	for _, collector := range collectors {
		if err := c.Register(collector); err != nil {
			panic(err)
		}
	}
}

// captured is the collector of the given name. Its type is that of upstream's
// source; a version that changes it fails every test.
func captured[T prometheus.Collector](c *capture, name string) T {
	return c.wanted[name].(T)
}
