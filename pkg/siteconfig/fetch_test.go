package siteconfig

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	standin "github.com/sourcegraph/srcprom/pkg/internal/frontend"
)

const siteText = `{"externalURL": "https://sg.example"} // canary-of-the-site`

// fetching returns what asks an address, with short delays.
func fetching(t *testing.T, address string, edit func(*Options)) *frontend {
	t.Helper()
	o := DefaultOptions()
	o.FetchTimeout = 30 * time.Second
	o.GRPCRetry = GRPCRetry{DelayBase: time.Millisecond, MaxAttempts: 5, MaxDuration: 10 * time.Second}
	o.HTTPRetry = HTTPRetry{DelayBase: time.Millisecond, DelayMax: time.Millisecond, MaxAttempts: 5, AfterMaxDuration: 5 * time.Second}
	if edit != nil {
		edit(&o)
	}
	u, err := parseAddress(address)
	require.NoError(t, err)
	f := newFrontend(u, o, slog.New(slog.DiscardHandler))
	t.Cleanup(f.close)
	return f
}

func over(protocol string) func(*Options) { return func(o *Options) { o.Protocol = protocol } }

// eachProtocol runs a test over either.
func eachProtocol(t *testing.T, test func(t *testing.T, protocol string)) {
	for _, protocol := range []string{ProtocolGRPC, ProtocolHTTP} {
		t.Run(protocol, func(t *testing.T) { test(t, protocol) })
	}
}

func requireFetched(t *testing.T, f *frontend, site string) {
	t.Helper()
	a, err := f.fetch(t.Context())
	require.NoError(t, err)
	require.Equal(t, answer{site: site}, a)
}

// requireFails fails unless the error is this one, and says nothing of the answer.
func requireFails(t *testing.T, f *frontend, want string) (unreachable bool) {
	t.Helper()
	_, err := f.fetch(t.Context())
	require.ErrorContains(t, err, want)
	require.NotContains(t, err.Error(), "canary")
	failed := new(fetchError)
	require.ErrorAs(t, err, &failed)
	return failed.unreachable
}

func TestFetch_SiteAndMigrationOverBothProtocols(t *testing.T) {
	eachProtocol(t, func(t *testing.T, protocol string) {
		server := standin.Start(t, standin.Site(siteText), standin.Migration(), standin.Site(""))
		f := fetching(t, server.Address(), over(protocol))
		requireFetched(t, f, siteText)
		a, err := f.fetch(t.Context())
		require.NoError(t, err)
		require.True(t, a.migrating)
		requireFetched(t, f, "")
		for _, call := range server.Calls() {
			require.Equal(t, protocol, call.Protocol)
			require.Equal(t, "internal", call.Actor)
			require.Contains(t, call.UserAgent, "srcprom")
		}
		require.Equal(t, 1, server.Connections(), "one connection is kept")
	})
}

func TestFetch_OneMarkOfAMigrationIsNone(t *testing.T) {
	require.False(t, isMigrating(migrationMark, migrationMark, "postgres://"))
	require.False(t, isMigrating("", "", ""))
}

func TestFetch_AutoTakesWhatTheFrontendSpeaksAndRemembersIt(t *testing.T) {
	server := standin.Start(t, standin.Site(siteText))
	f := fetching(t, server.Address(), over(ProtocolAuto))
	requireFetched(t, f, siteText)
	require.Equal(t, "grpc", server.Calls()[0].Protocol)

	server.Speak(standin.HTTPOnly)
	requireFetchedSoon(t, f)
	require.True(t, f.overHTTP)
	before := server.Connections()
	requireFetched(t, f, siteText)
	require.Equal(t, before, server.Connections(), "gRPC was not tried again")

	server.Speak(standin.GRPCOnly)
	requireFails(t, f, "the connection ended without an answer over HTTP")
	requireFetched(t, f, siteText)
	require.False(t, f.overHTTP)
}

// requireFetchedSoon allows for a connection that has just been lost.
func requireFetchedSoon(t *testing.T, f *frontend) {
	t.Helper()
	require.Eventually(t, func() bool {
		a, err := f.fetch(t.Context())
		return err == nil && a.site == siteText
	}, 30*time.Second, time.Millisecond, "fetch the site configuration")
}

func TestFetch_AutoGoesToHTTPWhereTheServiceIsUnknown(t *testing.T) {
	server := standin.Start(t, standin.Site(siteText))
	server.Next(standin.Refusal(codes.Unimplemented))
	f := fetching(t, server.Address(), over(""))
	requireFetched(t, f, siteText)
	require.Equal(t, "http", server.Calls()[1].Protocol)

	server.Next(standin.Refusal(codes.Internal))
	requireFails(t, f, "status 500") // over HTTP, which it remembers no longer
	server.Next(standin.Refusal(codes.Unimplemented), standin.Refusal(codes.Unimplemented))
	requireFails(t, f, "the frontend does not speak gRPC; the frontend answered over HTTP with status 404")
}

func TestFetch_AFixedProtocolIsTheOnlyOne(t *testing.T) {
	server := standin.Start(t, standin.Site(siteText))
	server.Speak(standin.HTTPOnly)
	requireFails(t, fetching(t, server.Address(), over(ProtocolGRPC)), "the frontend does not speak gRPC")
	server.Speak(standin.GRPCOnly)
	requireFails(t, fetching(t, server.Address(), over(ProtocolHTTP)), "without an answer over HTTP")
	require.Zero(t, server.Fetches())
}

func TestFetch_NobodyThereIsUnreachableUntilSomebodyIs(t *testing.T) {
	eachProtocol(t, func(t *testing.T, protocol string) {
		server := standin.Start(t, standin.Site(siteText))
		f := fetching(t, server.Address(), over(protocol))
		requireFetched(t, f, siteText)
		for range 3 {
			server.Down()
			require.True(t, requireFailsSoon(t, f))
			server.Up()
			requireFetched(t, f, siteText)
		}
	})
}

// requireFailsSoon fails unless connections are refused, once the old one is known to
// be lost.
func requireFailsSoon(t *testing.T, f *frontend) (unreachable bool) {
	t.Helper()
	failed := new(fetchError)
	require.Eventually(t, func() bool {
		_, err := f.fetch(t.Context())
		return errors.As(err, &failed) && strings.Contains(err.Error(), "connection refused")
	}, 30*time.Second, time.Millisecond, "be refused")
	return failed.unreachable
}

func TestFetch_AnUnknownHostIsUnreachable(t *testing.T) {
	eachProtocol(t, func(t *testing.T, protocol string) {
		f := fetching(t, "frontend.invalid:1", func(o *Options) { over(protocol)(o); o.GRPCRetry.MaxAttempts, o.HTTPRetry.MaxAttempts = 1, 1 })
		require.True(t, requireFails(t, f, "frontend.invalid"))
	})
}

func TestFetch_ABusyFrontendIsAskedAgain(t *testing.T) {
	eachProtocol(t, func(t *testing.T, protocol string) {
		server := standin.Start(t, standin.Site(siteText))
		f := fetching(t, server.Address(), over(protocol))
		server.Next(standin.Refusal(codes.Unavailable), standin.Refusal(codes.ResourceExhausted), standin.Refusal(codes.Unavailable))
		requireFetched(t, f, siteText)
		require.Equal(t, 4, server.Fetches())

		server.Set(standin.Refusal(codes.Unavailable))
		requireFails(t, f, "")
		require.Equal(t, 4+5, server.Fetches(), "not for ever")
	})
}

func TestFetch_WhatDoesNotPassIsNotRepeated(t *testing.T) {
	eachProtocol(t, func(t *testing.T, protocol string) {
		server := standin.Start(t, standin.Refusal(codes.Internal), standin.Answer{Garbage: true, Site: siteText})
		f := fetching(t, server.Address(), over(protocol))
		requireFails(t, f, "")
		requireFails(t, f, "")
		require.Equal(t, 2, server.Fetches())
	})
}

func TestFetch_RetryAfterIsHeededUnlessItIsTooLong(t *testing.T) {
	server := standin.Start(t, standin.Site(siteText))
	f := fetching(t, server.Address(), over(ProtocolHTTP))
	server.Next(standin.Answer{Code: codes.Unavailable, RetryAfter: "1"})
	begin := time.Now()
	requireFetched(t, f, siteText)
	require.GreaterOrEqual(t, time.Since(begin), time.Second)

	server.Next(standin.Answer{Code: codes.ResourceExhausted, RetryAfter: "6"})
	requireFails(t, f, "status 429")
	require.Equal(t, 3, server.Fetches())
}

func TestFetch_HangsNoLongerThanItMay(t *testing.T) {
	eachProtocol(t, func(t *testing.T, protocol string) {
		server := standin.Start(t, standin.Hang())
		f := fetching(t, server.Address(), func(o *Options) { over(protocol)(o); o.FetchTimeout = 100 * time.Millisecond })
		requireFails(t, f, "in time")
		require.Equal(t, 1, server.Fetches())
		server.Set(standin.Answer{Site: siteText, Delay: time.Millisecond})
		requireFetched(t, f, siteText)
	})
}

func TestFetch_TakesNinetyMegabytesAndNotOneByteMore(t *testing.T) {
	eachProtocol(t, func(t *testing.T, protocol string) {
		server := standin.Start(t, standin.Answer{Site: siteText, Bytes: standin.Limit}, standin.Answer{Site: siteText, Bytes: standin.Limit + 1})
		f := fetching(t, server.Address(), over(protocol))
		a, err := f.fetch(t.Context())
		require.NoError(t, err)
		require.Len(t, strings.TrimSpace(a.site), len(siteText))
		requireFails(t, f, "the answer is larger than 94371840 bytes")
		require.Equal(t, 2, server.Fetches(), "it is not fetched again and again")
	})
}

func TestFetch_AnAnswerWithoutAConfigurationIsNone(t *testing.T) {
	for _, body := range []string{`{}`, `null`, `[]`, `"canary"`, ``, `{"Site": 1}`, `{"Site": null}`, `{"Site": "canary`} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }))
		requireFails(t, fetching(t, server.URL, over(ProtocolHTTP)), "not a configuration in JSON")
		server.Close()
	}
}

func TestFetch_RedirectsAreNotFollowed(t *testing.T) {
	var followed atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/elsewhere" {
			followed.Store(true)
		}
		http.Redirect(w, r, "/elsewhere?canary", http.StatusTemporaryRedirect)
	}))
	defer server.Close()
	requireFails(t, fetching(t, server.URL, over(ProtocolHTTP)), "status 307")
	require.False(t, followed.Load())
}

func TestFetch_APathStaysInFrontOfTheEndpoint(t *testing.T) {
	var path atomic.Value
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path.Store(r.URL.Path)
		fmt.Fprint(w, `{"Site": "{}"}`)
	}))
	defer server.Close()
	requireFetched(t, fetching(t, server.URL+"/sg/", over(ProtocolHTTP)), "{}")
	require.Equal(t, "/sg/.internal/configuration", path.Load())
}

func TestFetch_TLSWhereTheURLSaysSo(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"Site": "`+r.Proto+`"}`)
	}))
	defer server.Close()
	f := fetching(t, server.URL, nil)
	require.True(t, requireFails(t, f, "certificate"))

	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	f = fetching(t, server.URL, nil)
	f.grpc.dialer.tls.RootCAs = roots
	f.http.client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: roots}
	requireFetched(t, f, "HTTP/1.1") // after it was found not to speak HTTP/2
}

func TestRetry_DelaysAreRandomAndBounded(t *testing.T) {
	r := retry{base: time.Second, most: 3 * time.Second}
	for attempt, most := range map[int]time.Duration{1: time.Second, 2: 2 * time.Second, 3: 3 * time.Second, 50: 3 * time.Second} {
		seen := map[time.Duration]bool{}
		for range 100 {
			delay := r.delay(attempt)
			require.True(t, delay >= 0 && delay < most, "%s after %d attempts", delay, attempt)
			seen[delay] = true
		}
		require.Greater(t, len(seen), 50)
	}
	require.Zero(t, retry{}.delay(1))
}

func TestRetryAfter_SecondsOrDateOrNothing(t *testing.T) {
	require.Equal(t, 2*time.Second, retryAfter("2"))
	require.InDelta(t, time.Minute, retryAfter(time.Now().Add(time.Minute).UTC().Format(http.TimeFormat)), float64(2*time.Second))
	for _, value := range []string{"", "soon", "-1", time.Unix(0, 0).UTC().Format(http.TimeFormat)} {
		require.Zero(t, retryAfter(value), value)
	}
}
