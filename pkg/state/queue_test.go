package state

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/internal/virtual"
)

var errDisk = errors.New("the disk is on fire")

// disk is what BeforeCommit does.
type disk struct {
	fails   atomic.Bool
	commits atomic.Int64
	hold    chan struct{} // a commit waits until it can receive; nil: none does
	begun   chan struct{} // a commit that waits says so
}

func (d *disk) beforeCommit() error {
	d.commits.Add(1)
	if d.hold != nil {
		d.begun <- struct{}{}
		<-d.hold
	}
	if d.fails.Load() {
		return errDisk
	}
	return nil
}

func slowDisk() *disk { return &disk{hold: make(chan struct{}), begun: make(chan struct{})} }

func openOn(t *testing.T, d *disk) *State {
	t.Helper()
	s, err := Open(statePath(t), Options{BeforeCommit: d.beforeCommit})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func recordsOf(t *testing.T, s *State, bucket Bucket) map[string]string {
	t.Helper()
	records := map[string]string{}
	require.NoError(t, s.Each(bucket, func(key string, value []byte) error {
		records[key] = string(value)
		return nil
	}))
	return records
}

func TestFlush_NothingQueuedDoesNotCommit(t *testing.T) {
	d := &disk{}
	s := openOn(t, d)
	require.NoError(t, s.Flush(t.Context()))
	require.Zero(t, d.commits.Load())
}

func TestFlush_LastChangeOfARecordWins(t *testing.T) {
	s := openOn(t, &disk{})
	s.Put(Silences, "a", []byte("1"))
	s.Put(Silences, "b", []byte("1"))
	s.Put(Silences, "c", nil)
	s.Delete(Silences, "a")
	s.Put(Silences, "b", []byte("2"))
	require.NoError(t, s.Flush(t.Context()))
	require.Equal(t, map[string]string{"b": "2", "c": ""}, recordsOf(t, s, Silences))
	require.Empty(t, recordsOf(t, s, Alerts))
	s.Delete(Silences, "b")
	require.NoError(t, s.Flush(t.Context()))
	require.Equal(t, map[string]string{"c": ""}, recordsOf(t, s, Silences))
}

func TestPut_KeyThatBboltDoesNotTakeIsKept(t *testing.T) {
	s := openOn(t, &disk{})
	long := fmt.Sprintf("{}:{a=%q}", make([]byte, 40_000))
	s.Put(NotificationLog, long, []byte("1"))
	s.Put(NotificationLog, long+"x", []byte("2"))
	s.Put(NotificationLog, "", []byte("3"))
	require.NoError(t, s.Flush(t.Context()))
	records := recordsOf(t, s, NotificationLog)
	require.Len(t, records, 3)
	for key, value := range records {
		if value != "1" {
			s.Delete(NotificationLog, key)
		}
	}
	require.NoError(t, s.Flush(t.Context()))
	require.Len(t, recordsOf(t, s, NotificationLog), 1)
	s.Delete(NotificationLog, long)
	require.NoError(t, s.Flush(t.Context()))
	require.Empty(t, recordsOf(t, s, NotificationLog))
}

func TestFlush_CallsAtOnceShareACommit(t *testing.T) {
	d := slowDisk()
	s := openOn(t, d)
	s.Put(Silences, "first", nil)
	results := make(chan error)
	go func() { results <- s.Flush(t.Context()) }()
	<-d.begun
	const callers = 50
	var queued sync.WaitGroup
	for i := range callers {
		queued.Add(1)
		go func() {
			s.Put(Silences, fmt.Sprint(i), nil)
			queued.Done()
			results <- s.Flush(t.Context())
		}()
	}
	queued.Wait()
	d.hold <- struct{}{}
	<-d.begun
	d.hold <- struct{}{}
	for range callers + 1 {
		require.NoError(t, <-results)
	}
	require.Equal(t, int64(2), d.commits.Load())
	require.Len(t, recordsOf(t, s, Silences), callers+1)
}

func TestFlush_OneFailureIsSharedByAllWhoWaited(t *testing.T) {
	d := slowDisk()
	d.fails.Store(true)
	s := openOn(t, d)
	s.Put(Silences, "first", nil)
	results := make(chan error)
	go func() { results <- s.Flush(t.Context()) }()
	<-d.begun
	const callers = 50
	var queued sync.WaitGroup
	for i := range callers {
		queued.Add(1)
		go func() {
			s.Put(Silences, fmt.Sprint(i), nil)
			want, seen := s.queue.position()
			queued.Done()
			results <- s.queue.await(t.Context(), want, seen, s.commit)
		}()
	}
	queued.Wait()
	d.hold <- struct{}{}
	<-d.begun
	d.hold <- struct{}{}
	for range callers + 1 {
		require.ErrorIs(t, <-results, errDisk)
	}
	require.Equal(t, int64(2), d.commits.Load(), "not one attempt for each")

	d.fails.Store(false)
	go func() { results <- s.Flush(t.Context()) }()
	<-d.begun
	d.hold <- struct{}{}
	require.NoError(t, <-results)
	require.Len(t, recordsOf(t, s, Silences), callers+1, "what could not be written was kept")
}

func TestFlush_FailureBeforeTheCallIsTriedAgain(t *testing.T) {
	d := &disk{}
	s := openOn(t, d)
	d.fails.Store(true)
	s.Put(Silences, "a", []byte("old"))
	s.Put(Silences, "b", []byte("old"))
	err := s.Flush(t.Context())
	require.ErrorIs(t, err, errDisk)
	require.ErrorContains(t, err, "write to the state file")
	require.ErrorIs(t, s.Flush(t.Context()), errDisk)
	require.Equal(t, int64(2), d.commits.Load())

	s.Put(Silences, "a", []byte("new"))
	d.fails.Store(false)
	require.NoError(t, s.Flush(t.Context()))
	require.Equal(t, map[string]string{"a": "new", "b": "old"}, recordsOf(t, s, Silences))
}

func TestFlush_DeadlineHoldsWhileTheDiskHangs(t *testing.T) {
	d := slowDisk()
	s := openOn(t, d)
	s.Put(Silences, "a", nil)
	ctx, cancel := context.WithCancel(t.Context())
	first, second := make(chan error), make(chan error)
	go func() { first <- s.Flush(ctx) }()
	<-d.begun
	s.Put(Silences, "b", nil) // nobody holds a lock over a write
	s.Delete(Silences, "c")
	s.AddHistory([]byte("d"))
	go func() { second <- s.Flush(ctx) }()
	cancel()
	require.ErrorIs(t, <-first, context.Canceled)
	require.ErrorIs(t, <-second, context.Canceled)

	closed := make(chan error)
	go func() { closed <- s.Close() }()
	select {
	case err := <-closed:
		t.Errorf("Close did not wait for the commit: %v", err)
	case d.hold <- struct{}{}:
	}
	require.NoError(t, <-closed)
}

func TestFlush_DiskThatHangsIsNamed(t *testing.T) {
	d := slowDisk()
	s := openOn(t, d)
	s.Put(Silences, "a", nil)
	for range 2 { // who writes, and who waits for that
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Millisecond)
		err := s.Flush(ctx)
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Regexp(t, `write to the state file "`+s.path+`": no answer for \d+ms: context deadline exceeded; look at its disk`, err)
	}
	<-d.begun
	d.hold <- struct{}{}
}

func TestUnwritable_DiskThatHangs(t *testing.T) {
	virtual.Test(t, func(t *testing.T) {
		d := slowDisk()
		s := openOn(t, d)
		began := time.Now()
		s.Put(Silences, "a", nil)
		ended := make(chan error)
		for range 2 {
			go func() { ended <- s.Accept(&Version{Accepted: *smallAccepted(1)}) }()
			<-d.begun
			time.Sleep(5 * time.Second)
		}
		_, err := s.Unwritable()
		require.NoError(t, err, "it may be slow")
		time.Sleep(time.Second)
		since, err := s.Unwritable()
		require.ErrorContains(t, err, s.path)
		require.ErrorContains(t, err, "has not answered since")
		require.Equal(t, began, since)

		d.hold <- struct{}{}
		require.NoError(t, <-ended)
		_, err = s.Unwritable()
		require.NoError(t, err, "it has answered")
		time.Sleep(5 * time.Second)
		_, err = s.Unwritable()
		require.Error(t, err, "the other goes on")
		d.hold <- struct{}{}
		require.NoError(t, <-ended)
		_, err = s.Unwritable()
		require.NoError(t, err)
	})
}

func TestQueue_StaysBoundedWhileRecordsComeAndGo(t *testing.T) {
	d := &disk{}
	s := openOn(t, d)
	s.Put(Alerts, "on the disk", nil)
	require.NoError(t, s.Flush(t.Context()))
	d.fails.Store(true)
	s.Delete(Alerts, "on the disk")
	s.Put(Alerts, "stays", nil)
	for i := range 1000 {
		s.Put(Alerts, fmt.Sprint(i), nil)
		require.Error(t, s.Flush(t.Context()))
		s.Delete(Alerts, fmt.Sprint(i))
	}
	require.Error(t, s.Flush(t.Context()))
	require.Equal(t, 2, s.queue.length())

	d.fails.Store(false)
	require.NoError(t, s.Flush(t.Context()))
	require.Zero(t, s.queue.length())
	require.Equal(t, map[string]string{"stays": ""}, recordsOf(t, s, Alerts))
}

func TestRun_WritesWhatNobodyWaitsForAndTheRestAtTheEnd(t *testing.T) {
	s := openOn(t, &disk{})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	s.Put(Alerts, "a", nil)
	require.Eventually(t, func() bool { return len(recordsOf(t, s, Alerts)) == 1 }, 10*time.Second, time.Millisecond, "it is written")
	s.Put(Alerts, "b", nil)
	cancel()
	require.NoError(t, <-ended)
	require.Len(t, recordsOf(t, s, Alerts), 2)
}

func TestRun_NoticesWhenTheDiskIsBack(t *testing.T) {
	d := &disk{}
	s := openOn(t, d)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	_, err := s.Unwritable()
	require.NoError(t, err)

	d.fails.Store(true)
	before := time.Now()
	require.ErrorIs(t, s.Accept(&Version{Accepted: *smallAccepted(1)}), errDisk)
	since, err := s.Unwritable()
	require.ErrorIs(t, err, errDisk)
	require.False(t, since.Before(before))
	attempts := d.commits.Load()
	require.Eventually(t, func() bool { return d.commits.Load() > attempts }, 10*time.Second, time.Millisecond, "it is tried although nothing is queued")
	again, err := s.Unwritable()
	require.ErrorIs(t, err, errDisk)
	require.Equal(t, since, again, "the first failure counts")

	d.fails.Store(false)
	require.Eventually(t, func() bool { _, err := s.Unwritable(); return err == nil }, 10*time.Second, time.Millisecond, "the disk is back")
	cancel()
	require.NoError(t, <-ended)
}

func TestRun_EndReportsWhatCouldNotBeWritten(t *testing.T) {
	d := &disk{}
	s := openOn(t, d)
	d.fails.Store(true)
	s.Put(Alerts, "a", nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, s.Run(ctx), errDisk)
}
