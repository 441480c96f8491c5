package siteconfig

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/config"
)

// silencesInterval is how often the silences are compared with what is wanted where no
// configuration was applied: somebody may have ended one. To compare them is to list
// those that are active.
const silencesInterval = 5 * time.Second

// silences keeps the silences of a server as the site configuration wants them.
type silences struct {
	log     *slog.Logger
	others  []string // names of alerts that are not those of rules
	tell    func(unmatched int)
	changed chan struct{} // holds one element when another configuration runs

	mu        sync.Mutex // guards what follows
	running   *config.Effective
	troubles  []string // why silences are not as they are wanted, as problems
	strangers []string // entries that match no alert
}

func newSilences(log *slog.Logger, others []string, tell func(unmatched int)) *silences {
	return &silences{log: log, others: others, tell: tell, changed: make(chan struct{}, 1)}
}

// runs takes note of a configuration that runs. It never blocks.
func (s *silences) runs(e *config.Effective) {
	s.mu.Lock()
	s.running = e
	s.mu.Unlock()
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// run keeps the silences until ctx is done. What it has begun then it ends.
func (s *silences) run(ctx context.Context, server Server) {
	var last *config.Effective
	for ctx.Err() == nil {
		running := s.effective()
		if running != last {
			s.match(running)
			last = running
		}
		s.reconcile(ctx, server, running)
		s.rest(ctx)
	}
}

// rest waits until it is time to look again.
func (s *silences) rest(ctx context.Context) {
	timer := time.NewTimer(silencesInterval)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.changed:
	case <-ctx.Done():
	}
}

// reconcile does what is to be done. Where nothing is known of what is wanted, that is
// nothing.
func (s *silences) reconcile(ctx context.Context, server Server, running *config.Effective) {
	wanted, known := wantedBy(running)
	if !known {
		s.note(nil)
		return
	}
	now := time.Now()
	have, err := server.Silences(ctx)
	if err != nil {
		if ctx.Err() == nil {
			s.note([]string{problem(silencesKey, "it is not known what is silenced: %v", err)})
		}
		return
	}
	troubles := s.do(ctx, server, planSilences(wanted, have, now))
	if ctx.Err() == nil {
		s.note(troubles)
	}
}

// do carries a plan out. What cannot be done holds nothing else up: all of it waits for
// the disk together.
func (s *silences) do(ctx context.Context, server Server, plan silencePlan) (troubles []string) {
	outcomes := make([]string, len(plan.set)+len(plan.expire))
	var doing sync.WaitGroup
	for i, silence := range plan.set {
		doing.Go(func() { outcomes[i] = s.set(ctx, server, silence) })
	}
	for i, silence := range plan.expire {
		doing.Go(func() { outcomes[len(plan.set)+i] = s.expire(ctx, server, silence) })
	}
	doing.Wait()
	return slices.DeleteFunc(outcomes, func(outcome string) bool { return outcome == "" })
}

// set makes a silence, or makes one last longer. It says what is wrong; empty when
// nothing is.
func (s *silences) set(ctx context.Context, server Server, silence client.Silence) (trouble string) {
	entry, _ := entryOf(silence)
	id, err := server.CreateSilence(ctx, silence)
	if err != nil {
		return problem(silencesKey, "%q is not silenced: %v", entry, err)
	}
	s.log.Info("Alerts are silenced", "entry", entry, "id", id, "until", silence.EndsAt)
	return ""
}

func (s *silences) expire(ctx context.Context, server Server, silence client.Silence) (trouble string) {
	if err := server.ExpireSilence(ctx, silence.ID); err != nil {
		return problem(silencesKey, "%s is still silenced: %v", describe(silence), err)
	}
	s.log.Info("Alerts are silenced no more", "entry", describe(silence), "id", silence.ID)
	return ""
}

// describe names what a silence is for.
func describe(s client.Silence) string {
	if entry, ok := entryOf(s); ok {
		return fmt.Sprintf("%q", entry)
	}
	return fmt.Sprintf("what silence %s matches", s.ID)
}

// note remembers what is wrong, and logs it when it is something else than before.
func (s *silences) note(troubles []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(troubles, s.troubles) && len(troubles) > 0 {
		s.log.Warn("Silences are not as the site configuration wants them; it is tried again", "count", len(troubles), "err", troubles[0])
	}
	s.troubles = troubles
}

func (s *silences) effective() *config.Effective {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running
}

// problems are why silences are not as they are wanted.
func (s *silences) problems() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.troubles
}

// wantedBy are the entries that a configuration wants silenced. Nothing is known of them
// where there is no site configuration, or where its setting is not even a list: what is
// silenced stays so.
func wantedBy(running *config.Effective) (entries []string, known bool) {
	if running == nil {
		return nil, false
	}
	document, there := running.Documents[config.SiteConfigDocument]
	if !there {
		return nil, false
	}
	values, err := decodeDocument(document.Content)
	if err != nil {
		return nil, false
	}
	setting := values[silencesKey]
	if _, isList := setting.([]any); !isList && setting != nil {
		return nil, false
	}
	entries, _ = wantedSilences(document.Content)
	return entries, true
}
