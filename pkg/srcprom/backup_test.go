package srcprom_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/backup"
	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/config"
	"github.com/sourcegraph/srcprom/pkg/srcprom"
	"github.com/sourcegraph/srcprom/pkg/srcpromtest"
)

// ask sends a request to the server and returns what it answers.
func ask(t testing.TB, server *srcprom.Server, method, path, body string) string {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	recorder := httptest.NewRecorder()
	server.Handler().ServeHTTP(recorder, request)
	require.Equal(t, http.StatusOK, recorder.Code, "%s %s: %s", method, path, recorder.Body)
	return recorder.Body.String()
}

// says is what the server says of everything that a backup has to hold, samples up
// to the given time.
func says(t *testing.T, server *srcprom.Server, at time.Time) map[string]string {
	t.Helper()
	answers := map[string]string{
		"silences": ask(t, server, http.MethodGet, "/alertmanager/api/v2/silences", ""),
		"samples":  ask(t, server, http.MethodGet, fmt.Sprintf("/api/v1/query?query=fire[1m]&time=%.3f", float64(at.UnixMilli())/1000), ""),
		"version":  fmt.Sprint(server.Current().Version),
	}
	for name, doc := range server.Current().Documents {
		answers[name] = doc.Content
	}
	return answers
}

func saveBackup(t *testing.T, server *srcprom.Server) string {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "backup.tar.gz"))
	require.NoError(t, err)
	defer file.Close()
	require.NoError(t, server.Backup(t.Context(), file))
	return file.Name()
}

func requireNoStage(t *testing.T, dir string) {
	t.Helper()
	require.NoDirExists(t, filepath.Join(dir, "srcprom", "backup.tmp"))
}

func TestServer_BackupRestoredIsTheSameServer(t *testing.T) {
	var dir string
	server := srcpromtest.Start(t, srcpromtest.WithRules(fireRules), srcpromtest.WithOptions(func(o *srcprom.Options) {
		dir = o.Storage.Dir
		// So that what is restored is kept, and does not come from the options again.
		o.Documents[config.AlertmanagerDocument] += "# secret: hunter2\n"
	}))
	apply(t, server.Server, map[string]string{"rules/pushed": recording(1)})
	server.Target.Set("fire", 1)
	server.Receiver.Await("Fire", srcpromtest.Firing("Fire"))
	ask(t, server.Server, http.MethodPost, "/alertmanager/api/v2/silences", `{
		"matchers": [{"name": "alertname", "value": "Quiet", "isRegex": false}], "createdBy": "me", "comment": "shh",
		"startsAt": "2026-01-01T00:00:00Z", "endsAt": "2126-01-01T00:00:00Z"}`)
	var settled time.Time // samples of this time are in the database
	require.Eventually(t, func() bool {
		settled = time.Now().Add(-time.Second)
		return strings.Contains(says(t, server.Server, settled)["samples"], `"__name__":"fire"`)
	}, 30*time.Second, 100*time.Millisecond, "a sample of a second ago")
	before := says(t, server.Server, settled)
	require.Contains(t, before["silences"], `"comment":"shh"`)
	require.Contains(t, before[config.AlertmanagerDocument], "hunter2")
	file := saveBackup(t, server.Server)
	requireNoStage(t, dir)
	require.NoError(t, server.Stop())

	restored := filepath.Join(t.TempDir(), "data")
	manifest, err := backup.Restore(t.Context(), file, restored)
	require.NoError(t, err)
	require.WithinDuration(t, settled, manifest.Time, time.Minute)
	opts := options(t)
	opts.Storage.Dir = restored
	opts.Builtin = srcprom.BuiltinNone
	run(t, opts, func(second *srcprom.Server) {
		require.Equal(t, before, says(t, second, settled))
		require.Equal(t, manifest.ConfigVersion, second.Current().Version)
		require.Len(t, history(t, second), 2)
		server.Target.Set("fire", 0)
		server.Receiver.Await("the alert of the first server to be resolved by the second", srcpromtest.Resolved("Fire"))
	})
	require.Len(t, server.Receiver.Notifications(), 2, "firing was told once")
}

func TestServer_BackupOfAServerThatHasNothing(t *testing.T) {
	opts := options(t)
	opts.Builtin = srcprom.BuiltinNone
	run(t, opts, func(server *srcprom.Server) {
		manifest, err := backup.Check(t.Context(), saveBackup(t, server))
		require.NoError(t, err)
		require.Equal(t, uint64(1), manifest.ConfigVersion)
	})
}

func TestServer_BackupWhileLoadIsRunning(t *testing.T) {
	server := srcpromtest.Start(t, srcpromtest.WithRules(fireRules), srcpromtest.WithOptions(func(o *srcprom.Options) { o.Web.EnableAdminAPI = true }))
	ctx, cancel := context.WithCancel(t.Context())
	var load sync.WaitGroup
	load.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			_, err := server.Apply(context.WithoutCancel(ctx), documents(map[string]string{"rules/x": recording(i)}))
			require.NoError(t, err)
			server.Target.Set("fire", float64(i%2), "shard", fmt.Sprint(i))
		}
	})
	load.Go(func() {
		for ctx.Err() == nil {
			ask(t, server.Server, http.MethodPost, "/alertmanager/api/v2/silences", `{
				"matchers": [{"name": "a", "value": "b", "isRegex": false}], "createdBy": "me", "comment": "c",
				"startsAt": "2026-01-01T00:00:00Z", "endsAt": "2126-01-01T00:00:00Z"}`)
		}
	})
	c, err := client.New(server.URL)
	require.NoError(t, err)
	var backups sync.WaitGroup
	for range 3 { // at once
		backups.Go(func() {
			file, err := os.Create(filepath.Join(t.TempDir(), "backup.tar.gz"))
			require.NoError(t, err)
			defer file.Close()
			require.NoError(t, c.Backup(t.Context(), file))
			dir := filepath.Join(t.TempDir(), "data")
			_, err = backup.Restore(t.Context(), file.Name(), dir)
			require.NoError(t, err)
		})
	}
	backups.Wait()
	cancel()
	load.Wait()
}

// slowWriter takes nothing before it is let go.
type slowWriter struct{ begun, release chan struct{} }

func (w *slowWriter) Write(p []byte) (int, error) {
	select {
	case w.begun <- struct{}{}:
	default:
	}
	<-w.release
	return len(p), nil
}

func TestServer_BackupIsBrokenOffByTheStop(t *testing.T) {
	var dir string
	server := srcpromtest.Start(t, srcpromtest.WithOptions(func(o *srcprom.Options) { dir = o.Storage.Dir }))
	w := &slowWriter{begun: make(chan struct{}, 1), release: make(chan struct{})}
	broken, waiting := make(chan error, 1), make(chan error, 1)
	go func() { broken <- server.Backup(context.Background(), w) }()
	<-w.begun
	go func() { waiting <- server.Backup(context.Background(), io.Discard) }()
	stopped := make(chan error, 1)
	go func() { stopped <- server.Stop() }()
	require.ErrorIs(t, <-waiting, srcprom.ErrNotRunning)
	require.Eventually(t, func() bool {
		_, err := server.Apply(t.Context(), config.Change{})
		return errors.Is(err, srcprom.ErrNotRunning)
	}, patience, time.Millisecond, "the stop has begun, and so the first backup is told as well")
	close(w.release)
	require.ErrorIs(t, <-broken, srcprom.ErrNotRunning)
	require.NoError(t, <-stopped)
	requireNoStage(t, dir)
	require.ErrorIs(t, server.Backup(t.Context(), io.Discard), srcprom.ErrNotRunning)
}

func TestServer_BackupEndsWithItsContext(t *testing.T) {
	var dir string
	server := srcpromtest.Start(t, srcpromtest.WithOptions(func(o *srcprom.Options) { dir = o.Storage.Dir }))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, server.Backup(ctx, io.Discard), context.Canceled)
	var whole bytes.Buffer
	require.NoError(t, server.Backup(t.Context(), &whole), "the next one has its turn")
	requireNoStage(t, dir)
}

func TestServer_StartRemovesWhatAKilledBackupLeft(t *testing.T) {
	opts := options(t)
	left := filepath.Join(opts.Storage.Dir, "srcprom", "backup.tmp", "tsdb")
	require.NoError(t, os.MkdirAll(left, 0o777))
	run(t, opts, func(*srcprom.Server) { requireNoStage(t, opts.Storage.Dir) })
}

func TestServer_BackupIsOffWithoutItsFlag(t *testing.T) {
	server := srcpromtest.Start(t)
	c, err := client.New(server.URL)
	require.NoError(t, err)
	err = c.Backup(t.Context(), io.Discard)
	var refused *client.Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, http.StatusForbidden, refused.Status)
	require.Contains(t, refused.Message, "--web.enable-admin-api")
}
