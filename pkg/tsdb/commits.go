package tsdb

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
)

// Commit is what one commit of samples brought.
type Commit struct {
	// Jobs are the values of the label job of the series that got samples, each once; ""
	// stands for series without that label. There is at least one.
	Jobs []string
	// Newest is the timestamp of the newest sample. Staleness markers count: that a
	// target is gone is news as well.
	Newest time.Time
}

// Watched returns s as those see it who bring samples: observe is called after each
// commit that succeeded and brought samples, by the goroutine that committed. It must
// not block, and may keep what it gets. Samples are floats and histograms that were
// not refused; start timestamps, metadata and exemplars alone are none.
func Watched(s storage.Storage, observe func(Commit)) storage.Storage {
	return &watchedStorage{s, observe}
}

// watchedStorage answers queries as the storage in it does.
type watchedStorage struct {
	storage.Storage
	observe func(Commit)
}

// Appender implements storage.Appendable.
func (w *watchedStorage) Appender(ctx context.Context) storage.Appender {
	return &watchedAppender{Appender: w.Storage.Appender(ctx), observe: w.observe}
}

// AppenderV2 implements storage.AppendableV2.
func (w *watchedStorage) AppenderV2(ctx context.Context) storage.AppenderV2 {
	return &watchedAppenderV2{AppenderV2: w.Storage.AppenderV2(ctx), observe: w.observe}
}

type watchedAppender struct {
	storage.Appender
	observe func(Commit)
	news    news
}

// Append implements storage.Appender.
func (a *watchedAppender) Append(ref storage.SeriesRef, l labels.Labels, t int64, v float64) (storage.SeriesRef, error) {
	ref, err := a.Appender.Append(ref, l, t, v)
	if err == nil {
		a.news.add(l, t)
	}
	return ref, err
}

// AppendHistogram implements storage.Appender.
func (a *watchedAppender) AppendHistogram(ref storage.SeriesRef, l labels.Labels, t int64, h *histogram.Histogram, fh *histogram.FloatHistogram) (storage.SeriesRef, error) {
	ref, err := a.Appender.AppendHistogram(ref, l, t, h, fh)
	if err == nil {
		a.news.add(l, t)
	}
	return ref, err
}

// Commit implements storage.Appender.
func (a *watchedAppender) Commit() error {
	err := a.Appender.Commit()
	if err == nil {
		a.news.tell(a.observe)
	}
	return err
}

type watchedAppenderV2 struct {
	storage.AppenderV2
	observe func(Commit)
	news    news
}

// Append implements storage.AppenderV2.
func (a *watchedAppenderV2) Append(ref storage.SeriesRef, ls labels.Labels, st, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, opts storage.AOptions) (storage.SeriesRef, error) {
	ref, err := a.AppenderV2.Append(ref, ls, st, t, v, h, fh, opts)
	if err == nil || onlyPartial(err) {
		a.news.add(ls, t)
	}
	return ref, err
}

// onlyPartial tells whether the sample was taken, and exemplars of it were not.
func onlyPartial(err error) bool {
	return errors.Is(err, (*storage.AppendPartialError)(nil))
}

// Commit implements storage.AppenderV2.
func (a *watchedAppenderV2) Commit() error {
	err := a.AppenderV2.Commit()
	if err == nil {
		a.news.tell(a.observe)
	}
	return err
}

// news is what the samples of an appender bring. It is made for what is usual: all
// samples of a scrape are of one job.
type news struct {
	jobs   []string
	seen   map[string]bool // nil as long as there is one job
	last   string          // the job of the sample before
	newest int64           // in milliseconds
}

// add takes note of a sample. All who bring samples tell the labels with each, also
// where they know the reference of the series.
func (n *news) add(ls labels.Labels, t int64) {
	job := ls.Get(model.JobLabel)
	if len(n.jobs) == 0 {
		n.jobs, n.last, n.newest = []string{job}, job, t
		return
	}
	n.newest = max(n.newest, t)
	if job != n.last {
		n.addJob(job)
	}
}

func (n *news) addJob(job string) {
	if n.seen == nil {
		n.seen = map[string]bool{n.last: true}
	}
	n.last = job
	if !n.seen[job] {
		n.seen[job] = true
		n.jobs = append(n.jobs, job)
	}
}

func (n *news) tell(observe func(Commit)) {
	if len(n.jobs) > 0 {
		observe(Commit{Jobs: n.jobs, Newest: time.UnixMilli(n.newest)})
	}
}
