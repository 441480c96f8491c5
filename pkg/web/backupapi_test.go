package web

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/client"
)

func withAdminAPI(o *Options, _ *Deps) { o.EnableAdminAPI = true }

func TestBackup_IsAnAttachment(t *testing.T) {
	s := startServer(t, withAdminAPI)
	archive := strings.Repeat("archive", 100_000)
	s.answers.onBackup = func(_ context.Context, w io.Writer) error {
		_, err := io.WriteString(w, archive)
		return err
	}
	var got bytes.Buffer
	require.NoError(t, configClient(t, s).Backup(t.Context(), &got))
	require.Equal(t, archive, got.String())

	a := s.do(t, http.MethodPost, "/api/srcprom/v1/admin/backup", "", nil)
	require.Equal(t, "application/gzip", a.header.Get("Content-Type"))
	require.Regexp(t, `^attachment; filename="srcprom-\d{8}T\d{6}Z\.tar\.gz"$`, a.header.Get("Content-Disposition"))
	require.Equal(t, "no-store", a.header.Get("Cache-Control"))
	require.Equal(t, http.StatusMethodNotAllowed, s.get(t, "/api/srcprom/v1/admin/backup").status)
}

func TestBackup_WhatCannotBeginIsAnError(t *testing.T) {
	s := startServer(t, withAdminAPI)
	s.answers.onBackup = func(context.Context, io.Writer) error { return errors.New("no space left") }
	var got bytes.Buffer
	err := configClient(t, s).Backup(t.Context(), &got)
	var refused *client.Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, http.StatusInternalServerError, refused.Status)
	require.Equal(t, "no space left", refused.Message)
	require.Zero(t, got.Len())

	s.state.set(false, "storage: opening")
	require.ErrorContains(t, configClient(t, s).Backup(t.Context(), &got), "503 Service Unavailable: storage: opening")
}

func TestBackup_WhatBreaksOffIsNotTakenForWhole(t *testing.T) {
	s := startServer(t, withAdminAPI)
	s.answers.onBackup = func(_ context.Context, w io.Writer) error {
		_, err := io.WriteString(w, strings.Repeat("half", 10_000))
		return errors.Join(err, errors.New("a block has vanished"))
	}
	err := configClient(t, s).Backup(t.Context(), io.Discard)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.ErrorContains(t, err, "the server broke off, its log says why")
	require.Contains(t, s.log.String(), "a block has vanished")
	require.NotContains(t, s.log.String(), "Panic while serving")
}

func TestBackup_EndsWhenItsClientGoes(t *testing.T) {
	s := startServer(t, withAdminAPI)
	begun, ended := make(chan struct{}), make(chan struct{})
	s.answers.onBackup = func(ctx context.Context, _ io.Writer) error {
		defer close(ended)
		close(begun)
		<-ctx.Done()
		return ctx.Err()
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-begun
		cancel()
	}()
	require.ErrorIs(t, configClient(t, s).Backup(ctx, io.Discard), context.Canceled)
	<-ended
}

// endless has no end.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestBackup_EndsWhenItsClientTakesNothing(t *testing.T) {
	s := newTestServer(t, withAdminAPI)
	s.stall = 50 * time.Millisecond
	s.start(t)
	ended := make(chan error, 1)
	s.answers.onBackup = func(_ context.Context, w io.Writer) error {
		_, err := io.Copy(w, endless{})
		ended <- err
		return err
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.base+"/api/srcprom/v1/admin/backup", nil)
	require.NoError(t, err)
	resp, err := s.http.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	select {
	case err := <-ended:
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	case <-time.After(patience):
		require.Fail(t, "it goes on")
	}
}

func TestBackup_MayTakeLongerThanItsClientMayStall(t *testing.T) {
	s := newTestServer(t, withAdminAPI)
	s.stall = 500 * time.Millisecond
	s.start(t)
	s.answers.onBackup = func(_ context.Context, w io.Writer) error {
		for begin := time.Now(); time.Since(begin) < 2*s.stall; time.Sleep(10 * time.Millisecond) {
			if _, err := w.Write(make([]byte, 10_000)); err != nil {
				return err
			}
		}
		return nil
	}
	require.NoError(t, configClient(t, s).Backup(t.Context(), io.Discard))
	require.Equal(t, http.StatusOK, s.get(t, "/api/srcprom/v1/health").status, "on the same connection")
}
