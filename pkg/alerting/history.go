package alerting

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/prometheus/alertmanager/pkg/labels"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/state"
)

// Bounds of one page of the history.
const (
	defaultHistoryLimit = 100
	maxHistoryLimit     = 1000
	// maxHistoryRead is how many records are read for one page. Where few of them are
	// wanted the page is short, or empty, and there is a next one all the same.
	maxHistoryRead  = 20_000
	historyReadSize = 500 // at a time
)

// History answers with one page of what was decided about alerts, the newest
// first. The work for a page is bounded: one may have fewer entries than asked
// for, or none, and still a next page. An error that wraps a [QueryError] says
// what is wrong with the query.
func (m *Manager) History(ctx context.Context, query client.HistoryQuery) (*client.History, error) {
	search, err := newHistorySearch(query)
	if err != nil {
		return nil, err
	}
	if m.engine == nil {
		return &search.found, nil
	}
	search.state, search.log = m.engine.state, m.log
	if err := search.run(ctx); err != nil {
		return nil, fmt.Errorf("read the history of alerts: %w", err)
	}
	return &search.found, nil
}

// historySearch is the making of one page.
type historySearch struct {
	state    *state.State
	log      *slog.Logger
	query    client.HistoryQuery
	matchers []labels.Matchers
	earliest uint64      // id
	from     historyPage // where to begin
	found    client.History
}

func newHistorySearch(query client.HistoryQuery) (_ *historySearch, err error) {
	s := &historySearch{query: query, found: client.History{Entries: []client.HistoryEntry{}}}
	if s.matchers, err = parseMatchers(query.Matchers); err != nil {
		return nil, err
	}
	if s.query.Limit == 0 {
		s.query.Limit = defaultHistoryLimit
	}
	switch {
	case s.query.Limit < 0 || s.query.Limit > maxHistoryLimit:
		return nil, QueryError{Reason: fmt.Sprintf("limit %d: it must be from 1 to %d", query.Limit, maxHistoryLimit)}
	case !query.End.IsZero() && query.End.Before(query.Start):
		return nil, QueryError{Reason: fmt.Sprintf("end %s is before start %s", query.End.Format(time.RFC3339), query.Start.Format(time.RFC3339))}
	case !knownOutcome(query.Outcome):
		return nil, QueryError{Reason: fmt.Sprintf("outcome %q: it must be delivered, failed, silenced, inhibited, muted or deduplicated", query.Outcome)}
	}
	if !query.Start.IsZero() {
		s.earliest = idOf(query.Start)
	}
	if query.Page != "" {
		s.from, err = parseHistoryPage(query.Page)
		return s, err
	}
	s.from = historyPage{before: math.MaxInt64}
	if !query.End.IsZero() {
		s.from.before = idOf(query.End) + 1
	}
	return s, nil
}

func knownOutcome(outcome client.Outcome) bool {
	switch outcome {
	case "", client.OutcomeDelivered, client.OutcomeFailed, client.OutcomeSilenced,
		client.OutcomeInhibited, client.OutcomeMuted, client.OutcomeDeduplicated:
		return true
	}
	return false
}

// idOf is the id of a record that was made at the given time. Ids can be told for
// the years 1970 to 2262.
func idOf(at time.Time) uint64 {
	switch {
	case at.Unix() < 0:
		return 0
	case at.Unix() >= math.MaxInt64/int64(time.Second):
		return math.MaxInt64 - 1
	}
	return uint64(at.UnixNano())
}

// historyPage is where a page begins: with the records before an id, without the
// first alerts of the latest of them.
type historyPage struct {
	before uint64
	skip   uint32
}

// next is the page that begins with an alert of a record.
func nextHistoryPage(record uint64, alert int) historyPage {
	return historyPage{before: record + 1, skip: uint32(alert)}
}

func (p historyPage) String() string {
	b := binary.BigEndian.AppendUint64(nil, p.before)
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint32(b, p.skip))
}

func parseHistoryPage(text string) (historyPage, error) {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) != 12 {
		return historyPage{}, QueryError{Reason: fmt.Sprintf("page %q: it must be what the page before has as next", text)}
	}
	return historyPage{before: binary.BigEndian.Uint64(b), skip: binary.BigEndian.Uint32(b[8:])}, nil
}

func (s *historySearch) run(ctx context.Context) error {
	before := s.from.before
	for read := 0; read < maxHistoryRead; {
		entries, err := s.state.History(ctx, before, historyReadSize)
		if errors.Is(err, state.ErrDamaged) {
			s.log.Warn("Records of the history left out, as they are damaged", "err", err)
		} else if err != nil {
			return err
		}
		for _, entry := range entries {
			if entry.ID < s.earliest {
				return nil
			}
			if full := s.look(entry); full {
				return nil
			}
			before = entry.ID
		}
		if len(entries) == 0 {
			return nil
		}
		read += len(entries)
	}
	s.found.Next = historyPage{before: before}.String()
	return nil
}

// look takes what is wanted from a record; full tells that the page is.
func (s *historySearch) look(entry state.Entry) (full bool) {
	d, err := unpack(entry.Value)
	if err != nil {
		s.log.Warn("Record of the history left out, as it cannot be read", "id", entry.ID, "err", err)
		return false
	}
	if s.query.Receiver != "" && s.query.Receiver != d.Receiver || s.query.Outcome != "" && s.query.Outcome != d.Outcome {
		return false
	}
	at := time.Unix(0, int64(entry.ID)).UTC()
	for i := range d.Alerts {
		if entry.ID+1 == s.from.before && i < int(s.from.skip) || !matchesAny(s.matchers, d.Alerts[i].Labels) {
			continue
		}
		if len(s.found.Entries) == s.query.Limit {
			s.found.Next = nextHistoryPage(entry.ID, i).String()
			return true
		}
		s.found.Entries = append(s.found.Entries, d.entry(&d.Alerts[i], at))
	}
	return false
}
