package alerting

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/alertmanager/alert"

	"github.com/sourcegraph/srcprom/pkg/state"
)

// restoreGrace is how long alerts of rules, which are looked at each second, stay
// without anybody saying anything about them.
const restoreGrace = 15 * time.Minute

// restoreLog merges the records of silences, or of the notification log, into the
// engine, each on its own. It comes before the journal is hooked up.
func (e *engine) restoreLog(j *journal, check func([]byte) (record, error), merge func([]byte) error) {
	now, restored := time.Now(), 0
	e.eachRecord(j.bucket, func(key string, frame []byte) error {
		r, err := check(frame)
		if err != nil {
			return err
		}
		switch key {
		case state.Key(r.key):
		case oldKey(r.key):
			e.state.Delete(j.bucket, key)
			e.state.Put(j.bucket, r.key, frame)
			key = r.key
		default:
			return errors.New("it is the record of another key")
		}
		if !r.expires.After(now) {
			e.state.Delete(j.bucket, key)
			return nil
		}
		if err := merge(frame); err != nil {
			return err
		}
		j.know(r)
		restored++
		return nil
	})
	e.durability.restored.WithLabelValues(string(j.bucket)).Set(float64(restored))
}

// eachRecord calls f for each record of a bucket. One that f cannot read is set
// aside: it stays in the file, and the others are taken up.
func (e *engine) eachRecord(bucket state.Bucket, f func(key string, value []byte) error) {
	setAside := e.durability.setAside.WithLabelValues(string(bucket))
	err := e.state.Each(bucket, func(key string, value []byte) error {
		if err := f(key, value); err != nil {
			setAside.Inc()
			e.log.Error("Record of the state set aside, started without it", "kind", bucket, "key", key, "err", err)
		}
		return nil
	})
	if err != nil {
		setAside.Inc()
		e.log.Error("Records of the state cannot be read, started without them", "kind", bucket, "err", err)
	}
}

// restoreAlerts puts the alerts of the state into the provider. It comes before
// anybody subscribes to it.
func (e *engine) restoreAlerts() {
	now := time.Now()
	var alerts []*alert.Alert
	e.eachRecord(state.Alerts, func(key string, value []byte) error {
		r, err := decodeAlert(key, value)
		if err != nil {
			return err
		}
		if r.Ended && now.Sub(r.EndsAt) > e.opts.Retention {
			e.state.Delete(state.Alerts, key)
			return nil
		}
		e.alertJournal.know(r)
		a, wait := r.restored(now)
		if wait {
			e.reconciler.add(a, r)
		}
		alerts = append(alerts, a)
		return nil
	})
	// Put has no error of its own: what a limit keeps out it logs and counts.
	_ = e.alerts.putFrom(context.Background(), knownOrigin, alerts...)
	e.alertJournal.dropUnstored()
	e.durability.restored.WithLabelValues(string(state.Alerts)).Set(float64(len(alerts)))
}

// restored is the alert as it comes back. An alert whose end nobody could move
// while the server was down gets the time that it had when it was last handed over;
// wait says that this time begins only when somebody can say how it stands.
func (r alertRecord) restored(now time.Time) (a *alert.Alert, wait bool) {
	a = r.alert()
	if a.UpdatedAt.After(now) { // the clock was set back: what comes now is newer
		a.UpdatedAt = now
	}
	if r.Ended || r.Source == sourceClient && !r.Timeout {
		return a, false
	}
	end := now.Add(max(r.validity(), restoreGrace))
	if end.After(a.EndsAt) {
		// As a timeout, since otherwise the engine lets the later end win.
		a.EndsAt, a.Timeout = end, true
	}
	return a, true
}

// knownOrigin leaves the origin of an alert as it is.
func knownOrigin(known origin, _ *alert.Alert) origin { return known }

// know tells the journal of an alert that is in the state, before it is put into
// the provider.
func (j *alertJournal) know(r alertRecord) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.known[r.Labels.Fingerprint()] = &knownAlert{
		origin:  r.origin(),
		written: r.alert(),
		by:      r.Source,
		ended:   r.Ended,
	}
}

// dropUnstored forgets the alerts that the provider has not taken.
func (j *alertJournal) dropUnstored() {
	j.mu.Lock()
	defer j.mu.Unlock()
	for fp, k := range j.known {
		if k.alert == nil {
			delete(j.known, fp)
			j.state.Delete(state.Alerts, fp.String())
		}
	}
}
