package siteconfig

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/sourcegraph/srcprom/pkg/config"
)

const (
	// lastReadKey is the key of [config.Change.LastRead] under which the text is known
	// that the source has brought last. A configuration that is pushed stands until it
	// brings another.
	lastReadKey = "siteconfig"
	// quiet is how long nothing is logged of a frontend that is not there.
	quiet = 15 * time.Second
	// repeatAfter is how often the same complaint is logged.
	repeatAfter = time.Minute
	// The time between two attempts to make the server run the same text doubles from
	// one of these to the other.
	leastBackoff = 5 * time.Second
	mostBackoff  = 5 * time.Minute
)

// poller asks a source again and again, and makes the server run what it says.
type poller struct {
	*Subscriber
	server Server
	source source

	refused *refused // nil when what was brought last runs

	read     string // the checksum of the text that document was made of
	document string

	complained string // what was logged last; empty when all is well
	at         time.Time
}

// refused is a text that does not run.
type refused struct {
	sum     string
	invalid bool // it cannot be read
	reason  string
	again   time.Time // when it is tried anew
	backoff time.Duration
}

func (p *poller) run(ctx context.Context) {
	for ctx.Err() == nil {
		p.round(ctx)
		p.source.wait(ctx, rand.N(p.opts.PollInterval))
	}
}

func (p *poller) round(ctx context.Context) {
	a, err := p.source.fetch(ctx)
	switch {
	case ctx.Err() != nil: // nothing is known
	case err != nil:
		p.failed(err)
	case a.migrating:
		p.migrating()
	case a.site == "":
		p.metrics.fetched(outcomeNoNews)
		p.status.fail("the site configuration that was fetched is empty, which is taken for no news")
	default:
		p.take(ctx, a.site)
	}
}

// failed notes that nothing was fetched. What cannot be reached is no trouble for a
// while: everything is started together, and restarted.
func (p *poller) failed(err error) {
	p.metrics.fetched(outcomeFailed)
	p.status.fail(err.Error())
	failure := new(fetchError)
	if errors.As(err, &failure) && failure.unreachable && time.Since(p.status.view().since()) < quiet {
		return
	}
	if p.complains(err.Error()) {
		p.log.Warn("The site configuration cannot be fetched; what was fetched last goes on running", "err", err)
	}
}

// migrating notes that the frontend has nothing to tell because of an upgrade. What it
// told before is as true as it was.
func (p *poller) migrating() {
	p.metrics.fetched(outcomeNoNews)
	if p.status.view().success.IsZero() {
		p.status.fail("the frontend waits for its databases to be migrated")
		return
	}
	p.status.noNews(time.Now())
}

// take makes the server run a text, if it is another than the one before. A push that
// comes in between wins if it came after this text, and loses if before.
func (p *poller) take(ctx context.Context, text string) {
	version := versionOf(p.server)
	sum := checksum(text)
	p.brought.Store(&sum)
	waits := p.refused != nil && p.refused.sum == sum && time.Now().Before(p.refused.again)
	switch {
	case waits && p.refused.invalid:
		p.metrics.fetched(outcomeUnchanged)
		p.tell()
	case !p.reads(sum, text):
		p.metrics.fetched(outcomeInvalid)
		p.tell()
	case isLastRead(p.server, sum):
		p.metrics.fetched(outcomeUnchanged)
		p.accepted()
	case waits:
		p.metrics.fetched(outcomeUnchanged)
		p.tell()
	default:
		p.apply(ctx, sum, version)
	}
}

// reads makes the document of a text, and says whether that can be. A text that is
// not new is read as well, once: it may have been no better before a restart.
func (p *poller) reads(sum, text string) bool {
	if p.read == sum {
		return true
	}
	document, err := p.overlay.Read(text)
	if err != nil {
		p.refused = &refused{sum: sum, invalid: true, reason: reasonOf(err), again: time.Now().Add(mostBackoff)}
		return false
	}
	p.read, p.document = sum, document
	return true
}

// tell says why what was brought last does not run.
func (p *poller) tell() {
	r := p.refused
	if r.invalid {
		p.status.misread(r.reason)
	} else {
		p.status.refuse(r.reason)
	}
	switch said := p.complains(r.reason); {
	case said && r.invalid:
		p.log.Error("The site configuration cannot be read; the one before goes on running", "reason", r.reason)
	case said:
		p.log.Warn("The site configuration does not run; it is tried again", "reason", r.reason)
	}
}

func (p *poller) apply(ctx context.Context, sum string, version *uint64) {
	next := change(p.document, &sum)
	next.IfVersion = version
	result, err := p.server.Apply(ctx, next)
	if ctx.Err() != nil || errors.Is(err, config.ErrVersion) {
		return // the next round sees what has come in between
	}
	if err != nil {
		p.metrics.fetched(outcomeRefused)
		p.retryLater(sum, err)
		p.tell()
		return
	}
	p.metrics.fetched(outcomeApplied)
	p.status.applied(result.Version)
	p.accepted()
}

// accepted notes that what the source says runs.
func (p *poller) accepted() {
	p.status.succeed(time.Now())
	p.refused = nil
	if p.complained != "" {
		p.log.Info("The site configuration that was fetched runs again")
	}
	p.complained = ""
}

// retryLater tries at the next poll, and ever more seldom while the text is the same.
func (p *poller) retryLater(sum string, err error) {
	next := &refused{sum: sum, reason: err.Error(), again: time.Now(), backoff: leastBackoff}
	if r := p.refused; r != nil && r.sum == sum {
		next.again = next.again.Add(r.backoff)
		next.backoff = min(2*r.backoff, mostBackoff)
	}
	p.refused = next
}

// complains says whether it is time to log a complaint, which is once in a while as
// long as it is the same.
func (p *poller) complains(reason string) bool {
	if reason == p.complained && time.Since(p.at) < repeatAfter {
		return false
	}
	p.complained, p.at = reason, time.Now()
	return true
}

// change sets the document; brought is what the source has brought last, nil for
// nothing.
func change(document string, brought *string) config.Change {
	c := config.Change{
		Documents:  map[string]*string{config.SiteConfigDocument: &document},
		Provenance: config.Provenance{Source: config.SourceSiteConfig},
	}
	if brought != nil {
		c.LastRead = map[string]string{lastReadKey: *brought}
	}
	return c
}

// isLastRead says whether the server runs what a source has said since it brought
// the text of that checksum. A document that was removed meanwhile is made again.
func isLastRead(server Server, sum string) bool {
	current := server.Current()
	if current == nil {
		return false
	}
	_, there := current.Documents[config.SiteConfigDocument]
	return there && current.LastRead[lastReadKey] == sum
}

// versionOf is the version that runs, nil for none.
func versionOf(server Server) *uint64 {
	current := server.Current()
	if current == nil {
		return nil
	}
	return &current.Version
}

// documentFormat is part of the checksum of each text: a program that reads more of it,
// or reads it otherwise, than the one before must have another number here, to read
// again what has not changed.
const documentFormat = "1"

func checksum(text string) string {
	sum := sha256.Sum256([]byte(documentFormat + "\n" + text))
	return hex.EncodeToString(sum[:])
}

// reasonOf says in words why a text cannot be read, and where.
func reasonOf(err error) string {
	if fault := faultOf(err); fault.Line > 0 {
		return fmt.Sprintf("line %d, %s", fault.Line, fault.Reason)
	}
	return err.Error()
}
