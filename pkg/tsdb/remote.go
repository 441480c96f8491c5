package tsdb

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/storage/remote"
	"go.yaml.in/yaml/v2"
)

// remoteStorage is what is written to and read from elsewhere. The two are
// apart, although the engine has both in one: it exchanges the HTTP client of
// each queue on each change, also one of remote_read, and the queues read that
// client without its lock.
type remoteStorage struct {
	writes *remote.Storage // never has a remote_read
	reads  *remote.Storage // never has a remote_write
}

var _ storage.Storage = (*remoteStorage)(nil)

// newRemoteStorage starts goroutines that end with Close. Only what writes has
// metrics on a registry.
func newRemoteStorage(opts Options, deps Deps, local *Local) *remoteStorage {
	log, scrapes := deps.Logger.With("component", "remote"), scrapeManagerFunc(deps.ScrapeManager)
	return &remoteStorage{
		writes: remote.NewStorage(log, deps.Registerer, local.StartTime, opts.Dir, opts.RemoteFlushDeadline, scrapes, opts.TypeAndUnitLabels),
		reads:  remote.NewStorage(log, nil, local.StartTime, opts.Dir, opts.RemoteFlushDeadline, scrapes, opts.TypeAndUnitLabels),
	}
}

// Querier implements storage.Queryable.
func (r *remoteStorage) Querier(mint, maxt int64) (storage.Querier, error) {
	return r.reads.Querier(mint, maxt)
}

// ChunkQuerier implements storage.ChunkQueryable.
func (r *remoteStorage) ChunkQuerier(mint, maxt int64) (storage.ChunkQuerier, error) {
	return r.reads.ChunkQuerier(mint, maxt)
}

// Appender implements storage.Appendable.
func (r *remoteStorage) Appender(ctx context.Context) storage.Appender {
	return r.writes.Appender(ctx)
}

// AppenderV2 implements storage.AppendableV2.
func (r *remoteStorage) AppenderV2(ctx context.Context) storage.AppenderV2 {
	return r.writes.AppenderV2(ctx)
}

// StartTime implements storage.Storage.
func (r *remoteStorage) StartTime() (int64, error) { return r.reads.StartTime() }

// Close sends what is left.
func (r *remoteStorage) Close() error {
	return errors.Join(r.writes.Close(), r.reads.Close())
}

// remoteSettings are what remote storage reads of a configuration. It gets a
// whole one, which stays in it.
type remoteSettings struct {
	config *promconfig.Config // of which only what belongs to writes, or to reads, is set
}

func writeSettings(c *promconfig.Config) remoteSettings {
	return remoteSettings{&promconfig.Config{
		GlobalConfig:       promconfig.GlobalConfig{ExternalLabels: c.GlobalConfig.ExternalLabels},
		RemoteWriteConfigs: c.RemoteWriteConfigs,
	}}
}

func readSettings(c *promconfig.Config) remoteSettings {
	return remoteSettings{&promconfig.Config{
		GlobalConfig:      promconfig.GlobalConfig{ExternalLabels: c.GlobalConfig.ExternalLabels},
		RemoteReadConfigs: c.RemoteReadConfigs,
	}}
}

// same tells whether there is nothing to do. External labels go along with
// samples and queries, so they count where there is an endpoint.
func (r remoteSettings) same(other remoteSettings) bool {
	return r.endpoints() == 0 && other.endpoints() == 0 || reflect.DeepEqual(r.config, other.config)
}

func (r remoteSettings) endpoints() int {
	return len(r.config.RemoteWriteConfigs) + len(r.config.RemoteReadConfigs)
}

// apply makes a storage run to instead of from, which it checks once more:
// files that it names may have gone since Prepare.
func (r remoteSettings) apply(s *remote.Storage, from remoteSettings) error {
	if r.same(from) {
		return nil
	}
	if err := r.check(); err != nil {
		return err
	}
	if err := s.ApplyConfig(r.config); err != nil {
		return errors.Join(fmt.Errorf("remote storage: %w", err), s.ApplyConfig(from.config))
	}
	return nil
}

// check builds what the engine would build, and throws it away. The engine has
// no prepare step, and when it fails half way it forgets queues that go on
// running; so it must not fail.
func (r remoteSettings) check() error {
	var errs []error
	seen := map[string]bool{}
	for i, w := range r.config.RemoteWriteConfigs {
		name := endpointName("remote_write", i, w.Name)
		if err := checkUnique(seen, w); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
			continue
		}
		if _, err := remote.NewWriteClient(name, writeClientConfig(w)); err != nil {
			errs = append(errs, fmt.Errorf("%s: build its HTTP client: %w", name, err))
		}
	}
	for i, r := range r.config.RemoteReadConfigs {
		name := endpointName("remote_read", i, r.Name)
		if err := checkUnique(seen, r); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
			continue
		}
		if _, err := remote.NewReadClient(name, readClientConfig(r)); err != nil {
			errs = append(errs, fmt.Errorf("%s: build its HTTP client: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

func endpointName(section string, i int, name string) string {
	if name == "" {
		return fmt.Sprintf("%s[%d]", section, i)
	}
	return fmt.Sprintf("%s %q", section, name)
}

// checkUnique compares as the engine does: by the YAML text, which hides
// secrets.
func checkUnique(seen map[string]bool, c any) error {
	text, err := yaml.Marshal(c)
	if err != nil {
		return err
	}
	if seen[string(text)] {
		return errors.New("it is written twice: give one of them another name, or remove it")
	}
	seen[string(text)] = true
	return nil
}

// writeClientConfig follows storage/remote/write.go.
func writeClientConfig(c *promconfig.RemoteWriteConfig) *remote.ClientConfig {
	return &remote.ClientConfig{
		URL:              c.URL,
		WriteProtoMsg:    c.ProtobufMessage,
		Timeout:          c.RemoteTimeout,
		HTTPClientConfig: c.HTTPClientConfig,
		SigV4Config:      c.SigV4Config,
		AzureADConfig:    c.AzureADConfig,
		GoogleIAMConfig:  c.GoogleIAMConfig,
		Headers:          c.Headers,
		RetryOnRateLimit: c.QueueConfig.RetryOnRateLimit,
		RoundRobinDNS:    c.RoundRobinDNS,
	}
}

// readClientConfig follows storage/remote/storage.go.
func readClientConfig(c *promconfig.RemoteReadConfig) *remote.ClientConfig {
	return &remote.ClientConfig{
		URL:              c.URL,
		Timeout:          c.RemoteTimeout,
		ChunkedReadLimit: c.ChunkedReadLimit,
		HTTPClientConfig: c.HTTPClientConfig,
		Headers:          c.Headers,
	}
}

var errNoScrapeManager = errors.New("there is no scrape manager")

// scrapeManagerFunc is a remote.ReadyScrapeManager.
type scrapeManagerFunc func() (*scrape.Manager, error)

func (f scrapeManagerFunc) Get() (*scrape.Manager, error) {
	if f == nil {
		return nil, errNoScrapeManager
	}
	return f()
}
