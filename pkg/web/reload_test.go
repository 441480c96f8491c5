package web

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var errSetAside = errors.New(`set aside: rules/a.yml:3: group "g": no such function`)

func TestServer_ReloadSurvivesItsClient(t *testing.T) {
	s := startServer(t, func(o *Options, _ *Deps) { o.EnableLifecycle = true })
	entered, release, outcome := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	s.configurer.onReload = func(ctx context.Context) error {
		close(entered)
		<-release
		outcome <- ctx.Err()
		return nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.base+"/-/reload", nil)
	require.NoError(t, err)
	gone := make(chan error, 1)
	go func() {
		_, err := s.http.Do(req)
		gone <- err
	}()
	<-entered
	cancel()
	require.ErrorIs(t, <-gone, context.Canceled)
	close(release)
	require.NoError(t, <-outcome, "what was asked for is done although nobody waits for it")
}

func TestServer_StopCancelsReload(t *testing.T) {
	s := startServer(t, func(o *Options, _ *Deps) {
		o.EnableLifecycle = true
		o.DrainTimeout = 50 * time.Millisecond
	})
	entered := make(chan struct{})
	s.configurer.onReload = func(ctx context.Context) error {
		close(entered)
		<-ctx.Done()
		return ctx.Err()
	}
	got := make(chan int, 1)
	go func() {
		resp, err := s.http.Post(s.base+"/-/reload", "", nil)
		if err != nil {
			got <- 0
			return
		}
		resp.Body.Close()
		got <- resp.StatusCode
	}()
	<-entered
	require.NoError(t, s.stop())
	require.Equal(t, http.StatusInternalServerError, <-got)
}
