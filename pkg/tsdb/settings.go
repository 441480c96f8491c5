package tsdb

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/alecthomas/units"
	"github.com/prometheus/common/model"
	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/util/runtime"
	"go.yaml.in/yaml/v3"

	"github.com/sourcegraph/srcprom/pkg/config"
)

// settings are what the store reads of a configuration. The zero value is what
// it runs with before the first one.
type settings struct {
	storage      *promconfig.StorageConfig // nothing in it is nil
	writes       remoteSettings
	reads        remoteSettings
	queryLogFile string
	subqueryStep time.Duration
}

func (o Options) settings(e *config.Effective) settings {
	if e == nil {
		return settings{writes: writeSettings(&promconfig.Config{}), reads: readSettings(&promconfig.Config{})}
	}
	storage := o.storage(e)
	return settings{
		storage:      &storage,
		writes:       writeSettings(e.Prometheus),
		reads:        readSettings(e.Prometheus),
		queryLogFile: e.Prometheus.GlobalConfig.QueryLogFile,
		subqueryStep: time.Duration(e.Prometheus.GlobalConfig.EvaluationInterval),
	}
}

// storage resolves the storage section: the engine would take an absent
// retention as none at all, and dereferences an absent exemplars section.
// Upstream's main puts the flags into a package variable for that, before it
// loads the configuration.
func (o Options) storage(e *config.Effective) promconfig.StorageConfig {
	var tsdbConfig promconfig.TSDBConfig
	if c := e.Prometheus.StorageConfig.TSDBConfig; c != nil {
		tsdbConfig = *c
	}
	retention := o.retention(e)
	tsdbConfig.Retention = &retention
	exemplars := e.Prometheus.StorageConfig.ExemplarsConfig
	if exemplars == nil {
		exemplars = &promconfig.ExemplarsConfig{MaxExemplars: promconfig.DefaultExemplarsConfig.MaxExemplars}
	}
	return promconfig.StorageConfig{TSDBConfig: &tsdbConfig, ExemplarsConfig: exemplars}
}

func (o Options) retention(e *config.Effective) promconfig.TSDBRetentionConfig {
	if c := e.Prometheus.StorageConfig.TSDBConfig; c != nil && c.Retention != nil {
		if *c.Retention != (promconfig.TSDBRetentionConfig{}) || writesRetention(e.Documents[config.PrometheusDocument].Content) {
			return *c.Retention
		}
	}
	return o.DefaultRetention()
}

// DefaultRetention is what is kept where a configuration does not say it.
func (o Options) DefaultRetention() promconfig.TSDBRetentionConfig {
	if o.RetentionTime == 0 && o.RetentionSize == 0 {
		return promconfig.TSDBRetentionConfig{Time: model.Duration(defaultRetentionTime)}
	}
	return promconfig.TSDBRetentionConfig{
		Time: model.Duration(o.RetentionTime),
		Size: units.Base2Bytes(o.RetentionSize),
	}
}

// writesRetention tells whether a prometheus document has the section, which the
// engine's struct does not tell where all in it is zero: that means to keep
// everything.
func writesRetention(document string) bool {
	var doc struct {
		Storage struct {
			TSDB struct {
				Retention any `yaml:"retention"`
			} `yaml:"tsdb"`
		} `yaml:"storage"`
	}
	return yaml.Unmarshal([]byte(document), &doc) == nil && doc.Storage.TSDB.Retention != nil
}

// check reports what the engine would refuse in a storage section, or silently
// not do.
func (o Options) check(storage *promconfig.StorageConfig) error {
	if o.STStorage && storage.TSDBConfig.ChunkEncoding.Floats == promconfig.FloatChunkEncodingXOR {
		return fmt.Errorf("storage.tsdb.chunk_encoding.floats is %q, which cannot hold the start timestamps that are to be stored: write %q, or nothing",
			promconfig.FloatChunkEncodingXOR, promconfig.FloatChunkEncodingXOR2)
	}
	if percentage := storage.TSDBConfig.Retention.Percentage; percentage > 0 && fsSize(o.Dir) == 0 {
		return fmt.Errorf("storage.tsdb.retention.percentage is %g, but the capacity of the file system of %q is not known: use retention.size", percentage, o.Dir)
	}
	return nil
}

// fsSize is the size in bytes of the file system that has, or would have, the
// directory; 0 if it is not known.
func fsSize(dir string) uint64 {
	for _, path := range withParents(dir) {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			return runtime.FsSize(path)
		}
	}
	return 0
}
