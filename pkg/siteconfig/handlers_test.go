package siteconfig

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/config"
)

func TestHandlers_AnswerByteForByte(t *testing.T) {
	h := newHarness(t, newFakeServer(), nil)
	handlers := h.Handlers()
	require.Len(t, handlers, 1)
	srv := httptest.NewServer(handlers["/prom-wrapper/config-subscriber"])
	defer srv.Close()
	get := func(method string) (body, kind string) {
		req, err := http.NewRequestWithContext(t.Context(), method, srv.URL, http.NoBody)
		require.NoError(t, err)
		resp, err := srv.Client().Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		require.Equal(t, http.StatusOK, resp.StatusCode)
		text, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return string(text), resp.Header.Get("Content-Type")
	}
	const plain = "text/plain; charset=utf-8"
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
		body, kind := get(method)
		require.Equal(t, `{"problems":null}`, body)
		require.Equal(t, plain, kind)
	}
	h.Applied(&config.Effective{Problems: []string{"`observability.alerts`: notifier 0 is <wrong>", "`email.smtp`: no"}})
	want := `{"problems":[{"description":"` + "`observability.alerts`" + `: notifier 0 is \u003cwrong\u003e","kind":"SiteConfig"},` +
		`{"description":"` + "`email.smtp`" + `: no","kind":"SiteConfig"}]}`
	body, kind := get(http.MethodGet)
	require.Equal(t, want, body)
	require.Equal(t, plain, kind)

	c, err := client.New(srv.URL)
	require.NoError(t, err)
	status, err := c.GetConfigStatus(t.Context())
	require.NoError(t, err)
	require.Equal(t, h.problems(), status.Problems)
	http.DefaultClient.CloseIdleConnections()
}
