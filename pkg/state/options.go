package state

import (
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Options say how the file is opened, and what is kept in it.
type Options struct {
	// LockTimeout is how long Open waits for another process to let go of the
	// file. Default 1s; zero means the default.
	LockTimeout time.Duration
	// HistoryMaxAge is how old an entry of the history gets before a commit
	// removes it. Default 30 days; zero means the default.
	HistoryMaxAge time.Duration
	// HistoryMaxBytes bounds the history; the oldest entries are removed first.
	// Default 64 MiB; zero means the default.
	HistoryMaxBytes int64
	// LeaveDamaged makes damage an error of Open, which wraps [ErrDamaged]: for who
	// only wants to look, and would take the news from whom they concern.
	LeaveDamaged bool
	// BeforeCommit is called before each commit; an error fails it: for tests of
	// what a failing or slow disk does. Default nil: nothing is called.
	BeforeCommit func() error
	// Logger is told of damage. Default: nobody is.
	Logger *slog.Logger
	// Registerer takes the metrics, until Close. Default: nobody does.
	Registerer prometheus.Registerer
}

func (o *Options) setDefaults() {
	if o.LockTimeout == 0 {
		o.LockTimeout = time.Second
	}
	if o.HistoryMaxAge == 0 {
		o.HistoryMaxAge = 30 * 24 * time.Hour
	}
	if o.HistoryMaxBytes == 0 {
		o.HistoryMaxBytes = 64 << 20
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}
