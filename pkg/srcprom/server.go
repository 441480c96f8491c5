package srcprom

import (
	"context"
	"log/slog"
	"net/url"
	"sync"
	"sync/atomic"

	"github.com/sourcegraph/srcprom/pkg/alerting"
	"github.com/sourcegraph/srcprom/pkg/config"
	"github.com/sourcegraph/srcprom/pkg/health"
	"github.com/sourcegraph/srcprom/pkg/internal/lifecycle"
	"github.com/sourcegraph/srcprom/pkg/rules"
	"github.com/sourcegraph/srcprom/pkg/scrape"
	"github.com/sourcegraph/srcprom/pkg/state"
	"github.com/sourcegraph/srcprom/pkg/tsdb"
	"github.com/sourcegraph/srcprom/pkg/web"
)

// Server is one srcprom. Its methods are safe for concurrent use and may be
// called in any order, also after it has stopped.
type Server struct {
	opts        Options
	paths       config.Paths // absolute
	log         *slog.Logger
	metrics     *metrics
	externalURL *url.URL
	builtin     config.Documents
	releases    lifecycle.Stack // unwound by release
	closing     context.Context // bounds what releases may take; set by release

	state           *state.State
	store           *tsdb.Store
	scrape          *scrape.Manager
	notifyDiscovery *scrape.Discovery
	rules           *rules.Manager
	alerting        *alerting.Manager
	health          *health.Monitor
	tracer          *tracer
	web             *web.Server
	parts           []part // in the order in which they take over a configuration

	started  chan struct{}   // closed when the first configuration runs
	up       context.Context // ends with ErrNotRunning, just before stopping is closed
	down     context.CancelCauseFunc
	stopping chan struct{} // closed first thing on the way down
	stopOnce sync.Once
	quit     chan struct{} // closed by Quit
	quitOnce sync.Once

	life  sync.Mutex // guards begun
	begun bool

	reloads    shared
	configLock chan struct{} // held by who plans or applies a configuration
	first      *plan         // made by New, run by Run
	firstSum   string        // checksum of the files that first was made from
	backupLock chan struct{} // held by who makes a backup
	running    atomic.Pointer[running]
	refusal    atomic.Pointer[refusal] // of the last configuration; nil when it was not refused
}

// running is what runs. Both halves change as one, so that nobody sees the
// version of one configuration beside the documents of another.
type running struct {
	accepted  *config.Accepted  // before the first apply, what was accepted before the start
	effective *config.Effective // nil before the first apply
}
