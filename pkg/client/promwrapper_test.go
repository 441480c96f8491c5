package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestNew_EmptyURLIsUnavailable(t *testing.T) {
	_, err := New("")
	require.ErrorIs(t, err, ErrUnavailable)
}

func TestNew_UnparsableURLIsNamedWithoutItsPassword(t *testing.T) {
	_, err := New("http://host:port:more")
	require.EqualError(t, err, `client: parse base URL "http://host:port:more": invalid port ":port:more" after host`)
	require.NotErrorIs(t, err, ErrUnavailable)
	for _, base := range []string{"http://user:hun%zzter2@host", "http://us er:hunter2@host", "user:hunter2@host:1\x7f"} {
		_, err := New(base)
		require.ErrorContains(t, err, "host", base)
		for _, part := range []string{"user", "hun", "zz", "ter2"} {
			require.NotContains(t, err.Error(), part)
		}
	}
}

func TestClient_StatusesReplaceThePath(t *testing.T) {
	c, requests, _ := serve(t, http.StatusOK, `{"warning":1,"silenced":2,"critical":3,"services_critical":4}`)
	alerts, err := c.GetAlertsStatus(t.Context())
	require.NoError(t, err)
	require.Equal(t, &AlertsStatus{Warning: 1, Silenced: 2, Critical: 3, ServicesCritical: 4}, alerts)
	r := <-requests
	require.Equal(t, "GET /prom-wrapper/alerts-status", r.Method+" "+r.URL.String())

	c, requests, _ = serve(t, http.StatusOK, `{"problems":[{"description":"no","kind":"SiteConfig"}]}`)
	config, err := c.GetConfigStatus(t.Context())
	require.NoError(t, err)
	require.Equal(t, []ConfigProblem{{Description: "no", Kind: "SiteConfig"}}, config.Problems)
	require.Equal(t, "/prom-wrapper/config-subscriber", (<-requests).URL.String())

	c, _, _ = serve(t, http.StatusOK, `{"problems":null}`)
	config, err = c.GetConfigStatus(t.Context())
	require.NoError(t, err)
	require.Empty(t, config.Problems)
}

func TestClient_StatusesSendUserAndPasswordAndNeverTellThem(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		http.Error(w, fmt.Sprint(user == "admin" && password == "hunter2"), http.StatusTeapot)
	}))
	defer srv.Close()
	c, err := New(strings.Replace(srv.URL, "://", "://admin:hunter2@", 1) + "/path?query#fragment")
	require.NoError(t, err)
	defer http.DefaultClient.CloseIdleConnections()
	_, err = c.GetAlertsStatus(t.Context())
	require.EqualError(t, err, "get status of alerts: GET "+srv.URL+"/prom-wrapper/alerts-status: 418 I'm a teapot: true")
	srv.Close()
	_, err = c.GetConfigStatus(t.Context())
	require.ErrorIs(t, err, ErrUnavailable)
	require.NotContains(t, err.Error(), "admin")
	require.NotContains(t, err.Error(), "hunter2")
}

func TestClient_StatusOfAnotherAnswerIsAnError(t *testing.T) {
	c, _, _ := serve(t, http.StatusServiceUnavailable, "Alertmanager is disabled\n"+strings.Repeat("x", 1<<20))
	_, err := c.GetAlertsStatus(t.Context())
	var answer *Error
	require.ErrorAs(t, err, &answer)
	require.Equal(t, http.StatusServiceUnavailable, answer.Status)
	require.ErrorContains(t, err, "/prom-wrapper/alerts-status: 503 Service Unavailable: Alertmanager is disabled")
	require.Less(t, len(err.Error()), 2*maxStatusError)
	require.NotErrorIs(t, err, ErrUnavailable, "there is a server")

	c, _, _ = serve(t, http.StatusOK, "hello")
	_, err = c.GetConfigStatus(t.Context())
	require.ErrorContains(t, err, "/prom-wrapper/config-subscriber: decode answer")
	require.NotErrorIs(t, err, ErrUnavailable)
}

// hanging answers when the test is over.
func hanging(t *testing.T, begin string) string {
	over := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, begin)
		w.(http.Flusher).Flush()
		<-over
	}))
	t.Cleanup(srv.Close)
	t.Cleanup(func() { close(over) })
	return srv.URL
}

func TestClient_ServerThatDoesNotAnswerIsUnavailable(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	dialing := func(err error) Option {
		return WithHTTPClient(&http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: err}
		}}})
	}
	for name, tc := range map[string]struct {
		base  string
		opt   Option
		cause error
	}{
		"nobody listens":     {"http://" + listener.Addr().String(), nil, syscall.ECONNREFUSED},
		"it is slow":         {hanging(t, ""), nil, context.DeadlineExceeded},
		"it is half said":    {hanging(t, `{"warn`), nil, context.DeadlineExceeded},
		"its client is slow": {hanging(t, ""), WithHTTPClient(&http.Client{Timeout: 20 * time.Millisecond, Transport: &http.Transport{DisableKeepAlives: true}}), context.DeadlineExceeded},
		"no route to host":   {"http://host", dialing(syscall.EHOSTUNREACH), syscall.EHOSTUNREACH},
		"no network":         {"http://host", dialing(syscall.ENETUNREACH), syscall.ENETUNREACH},
		"unknown name":       {"http://host", dialing(&net.DNSError{Err: "no such host", Name: "host", IsNotFound: true}), nil},
	} {
		t.Run(name, func(t *testing.T) {
			opts := []Option{WithHTTPClient(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}})}
			if tc.opt != nil {
				opts = append(opts, tc.opt)
			}
			c, err := New(tc.base, opts...)
			require.NoError(t, err)
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			_, err = c.GetAlertsStatus(ctx)
			require.ErrorIs(t, err, ErrUnavailable)
			require.ErrorContains(t, err, tc.base+AlertsStatusPath)
			if tc.cause != nil {
				require.ErrorIs(t, err, tc.cause)
			}
			_, whole := errors.AsType[*url.Error](err)
			require.False(t, whole, "it names the URL once more, as it was configured")
		})
	}
}

func TestClient_CancelledStatusIsNotUnavailable(t *testing.T) {
	c, err := New(hanging(t, ""))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = c.GetAlertsStatus(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, ErrUnavailable)
}
