package state

import "time"

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
}
