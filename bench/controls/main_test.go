package main

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestVerdict_ClaimsMustBeTrueOfBoth(t *testing.T) {
	c := control{name: "c"}
	kept, broken := outcome{true, "kept"}, outcome{false, "broken"}
	require.NoError(t, c.verdict(broken, kept))
	require.ErrorContains(t, c.verdict(broken, broken), "srcprom broke its promise")
	require.ErrorContains(t, c.verdict(kept, kept), "Alertmanager keeps it too now")
	require.ErrorContains(t, c.verdict(kept, broken), "srcprom broke its promise")
}

func TestReceiver_TellsAnsweredFromCancelled(t *testing.T) {
	r := newReceiver()
	defer r.close()
	body, err := json.Marshal(map[string]any{"alerts": []any{map[string]any{"status": "firing", "labels": map[string]string{"alertname": "A"}}}})
	require.NoError(t, err)
	post := func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url(), strings.NewReader(string(body)))
		require.NoError(t, err)
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			resp.Body.Close()
		}
		return err
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, post(ctx))
	require.NoError(t, r.await(ctx, func(req request) bool { return req.answered }))

	release := r.hold()
	defer release()
	going, leave := context.WithCancel(ctx)
	left := make(chan error, 1)
	go func() { left <- post(going) }()
	require.NoError(t, r.await(ctx, func(req request) bool { return !req.answered }))
	leave()
	require.ErrorIs(t, <-left, context.Canceled)
	require.NoError(t, r.await(ctx, func(req request) bool { return req.cancelled }))
	require.Equal(t, 2, r.count(func(req request) bool { return req.says("A", "firing") }))
}

func TestRun_NamesTheProgramThatIsMissing(t *testing.T) {
	err := run(t.Context(), t.TempDir(), t.TempDir(), &strings.Builder{})
	require.ErrorContains(t, err, "alertmanager")
}
