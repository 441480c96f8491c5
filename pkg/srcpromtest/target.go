package srcpromtest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"google.golang.org/protobuf/proto"
)

// Target is a scrape target whose series a test sets.
type Target struct {
	// URL of its metrics page.
	URL string

	mu     sync.Mutex // guards what follows
	series map[string]*dto.MetricFamily
	down   bool
}

// NewTarget starts a target, which is stopped when the test ends.
func NewTarget(t testing.TB) *Target {
	target := &Target{series: map[string]*dto.MetricFamily{}}
	server := httptest.NewServer(http.HandlerFunc(target.serve))
	t.Cleanup(server.Close)
	target.URL = server.URL + "/metrics"
	return target
}

// Addr is its host:port, as it stands in a scrape configuration.
func (t *Target) Addr() string {
	u, _ := url.Parse(t.URL) // made by httptest
	return u.Host
}

// Set gives a series a value, which the next scrape finds. The labels are pairs
// of name and value.
func (t *Target) Set(name string, value float64, labels ...string) {
	if len(labels)%2 != 0 {
		panic("srcpromtest: Target.Set: labels must be pairs of name and value")
	}
	metric := &dto.Metric{Untyped: &dto.Untyped{Value: proto.Float64(value)}}
	for pair := range slices.Chunk(labels, 2) {
		metric.Label = append(metric.Label, &dto.LabelPair{Name: proto.String(pair[0]), Value: proto.String(pair[1])})
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.series[seriesKey(name, labels)] = &dto.MetricFamily{
		Name: proto.String(name), Type: dto.MetricType_UNTYPED.Enum(), Metric: []*dto.Metric{metric},
	}
}

// Delete removes a series.
func (t *Target) Delete(name string, labels ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.series, seriesKey(name, labels))
}

// SetDown makes scrapes fail with status 503, or succeed again.
func (t *Target) SetDown(down bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.down = down
}

func seriesKey(name string, labels []string) string {
	return fmt.Sprintf("%q", append([]string{name}, labels...))
}

// serve writes one family after another, those of one name side by side.
func (t *Target) serve(w http.ResponseWriter, _ *http.Request) {
	families, down := t.snapshot()
	if down {
		http.Error(w, "down", http.StatusServiceUnavailable)
		return
	}
	format := expfmt.NewFormat(expfmt.TypeTextPlain)
	w.Header().Set("Content-Type", string(format))
	encoder := expfmt.NewEncoder(w, format)
	for _, family := range families {
		if encoder.Encode(family) != nil {
			return // the scrape was given up
		}
	}
}

func (t *Target) snapshot() (families []*dto.MetricFamily, down bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	byName := map[string]*dto.MetricFamily{}
	for _, one := range t.series {
		family, ok := byName[one.GetName()]
		if !ok {
			family = &dto.MetricFamily{Name: one.Name, Type: one.Type}
			byName[one.GetName()] = family
			families = append(families, family)
		}
		family.Metric = append(family.Metric, one.Metric...)
	}
	slices.SortFunc(families, func(a, b *dto.MetricFamily) int { return strings.Compare(a.GetName(), b.GetName()) })
	return families, t.down
}
