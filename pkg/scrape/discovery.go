package scrape

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/discovery/targetgroup"
)

// Discovery finds targets. It is Prometheus's discovery manager with the
// lifecycle of a part. What ApplyConfig has started ends only with Run, which
// therefore has to be called.
type Discovery struct {
	name    string
	up      *discovery.Manager
	ctx     context.Context // of the engine's manager, which takes it when it is made
	cancel  context.CancelFunc
	once    sync.Once
	applied chan struct{} // closed by the first ApplyConfig
	sets    atomic.Pointer[map[string]discovery.Configs]
}

// NewDiscovery returns another discovery, whose metrics have the given name. It
// shares those of the kinds of service discovery with the manager's own: a
// registry can have them only once.
func (m *Manager) NewDiscovery(name string) (*Discovery, error) {
	ctx, cancel := context.WithCancel(context.Background())
	up := discovery.NewManager(ctx, m.deps.Logger.With("component", "discovery manager "+name), m.deps.Registerer, m.sdMetrics,
		discovery.Name(name), discovery.FeatureRegistry(m.deps.Features))
	if up == nil { // it has logged why; there is one reason
		cancel()
		return nil, fmt.Errorf("scrape: there is a discovery named %q already", name)
	}
	d := &Discovery{name: name, up: up, ctx: ctx, cancel: cancel, applied: make(chan struct{})}
	d.sets.Store(&map[string]discovery.Configs{})
	m.discoveriesMu.Lock()
	defer m.discoveriesMu.Unlock()
	m.discoveries = append(m.discoveries, d)
	return d, nil
}

// Run finds targets until ctx is done, and then returns nil. It may be called
// once.
//
// It begins with the first ApplyConfig. From then on the engine looks after 50 to
// 150 ms for what has been found, so that the first set is not an empty one.
func (d *Discovery) Run(ctx context.Context) error {
	select {
	case <-d.applied:
	case <-ctx.Done():
	}
	defer context.AfterFunc(ctx, d.cancel)()
	if err := d.up.Run(); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// ApplyConfig makes it look for the given named sets of targets. What did not
// change goes on.
func (d *Discovery) ApplyConfig(sets map[string]discovery.Configs) error {
	if d.ctx.Err() != nil {
		return errors.New("scrape: the discovery has stopped")
	}
	defer d.once.Do(func() { close(d.applied) })
	d.sets.Store(&sets)
	return d.up.ApplyConfig(sets)
}

// SyncCh receives all sets whenever something in them has changed. It is closed
// when Run returns.
func (d *Discovery) SyncCh() <-chan map[string][]*targetgroup.Group { return d.up.SyncCh() }
