package frontend

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/sourcegraph/srcprom/pkg/internal/frontend/frontendpb"
)

// overGRPC asks as Sourcegraph's own services do.
func overGRPC(t *testing.T, f *Frontend, timeout time.Duration) (*frontendpb.GetConfigResponse, error) {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+f.Address(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(ctx, "x-sourcegraph-actor-uid", "internal")
	var response frontendpb.GetConfigResponse
	err = conn.Invoke(ctx, "/api.internalapi.v1.ConfigService/GetConfig", new(frontendpb.GetConfigRequest), &response,
		grpc.MaxCallRecvMsgSize(2*Limit))
	return &response, err
}

func overHTTP(t *testing.T, f *Frontend) (status int, body string, err error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+f.Address()+"/.internal/configuration", http.NoBody)
	require.NoError(t, err)
	request.Header.Set("X-Sourcegraph-Actor-UID", "internal")
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(text), err
}

func TestFrontend_TellsTheSameOverBothProtocols(t *testing.T) {
	f := Start(t, Site(`{"externalURL": "https://sg"} // here`))
	told, err := overGRPC(t, f, time.Minute)
	require.NoError(t, err)
	require.Regexp(t, "^{\"externalURL\": \"https://sg\"} // here$", told.GetRawUnified().GetSite())
	require.Contains(t, told.GetRawUnified().GetServiceConnections().GetPostgresDsn(), Secret)

	status, body, err := overHTTP(t, f)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status)
	require.JSONEq(t, `{"ID": 2, "Site": "{\"externalURL\": \"https://sg\"} // here", "ServiceConnections": {
		"gitServers": ["gitserver-0:3178"],
		"postgresDSN": "postgres://sg:canary-of-the-databases@pgsql:5432/sg",
		"codeIntelPostgresDSN": "postgres://sg:canary-of-the-databases@codeintel-db:5432/sg",
		"codeInsightsPostgresDSN": "postgres://sg:canary-of-the-databases@codeinsights-db:5432/sg",
		"searchers": ["searcher-0:3181"], "symbols": ["symbols-0:3184"], "embeddings": ["embeddings-0:9991"],
		"qdrant": "qdrant:6334", "zoekts": ["indexed-search-0:6070"], "zoektListTTL": 30000000000}}`, body)

	calls := f.Calls()
	require.Len(t, calls, 2)
	for i, protocol := range []string{"grpc", "http"} {
		require.Equal(t, protocol, calls[i].Protocol)
		require.Equal(t, "internal", calls[i].Actor)
	}
}

func TestFrontend_AnswersAsTheScriptSays(t *testing.T) {
	f := Start(t, Site("a"), Site("b"))
	f.Next(Refusal(codes.Unavailable), Migration())
	_, err := overGRPC(t, f, time.Minute)
	require.Equal(t, codes.Unavailable, status.Code(err))
	migrating, err := overGRPC(t, f, time.Minute)
	require.NoError(t, err)
	require.Equal(t, "!migrationinprogress!", migrating.GetRawUnified().GetServiceConnections().GetCodeInsightsDsn())
	for _, want := range []string{"a", "b", "a", "b"} {
		told, err := overGRPC(t, f, time.Minute)
		require.NoError(t, err)
		require.Equal(t, want, told.GetRawUnified().GetSite())
	}
	require.Equal(t, 6, f.Fetches())
}

func TestFrontend_RefusesLikeAServerOfItsKind(t *testing.T) {
	f := Start(t)
	for code, want := range map[codes.Code]int{
		codes.Unavailable: 503, codes.ResourceExhausted: 429, codes.Unimplemented: 404, codes.Internal: 500,
	} {
		f.Set(Answer{Code: code, RetryAfter: "1"})
		_, err := overGRPC(t, f, time.Minute)
		require.Equal(t, code, status.Code(err))
		got, _, err := overHTTP(t, f)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

func TestFrontend_GarbageAndSizeAndDelay(t *testing.T) {
	f := Start(t, Answer{Garbage: true})
	_, err := overGRPC(t, f, time.Minute)
	require.Equal(t, codes.Internal, status.Code(err))
	_, body, err := overHTTP(t, f)
	require.NoError(t, err)
	require.False(t, json.Valid([]byte(body)))

	f.Set(Answer{Site: "{}", Bytes: 100_000})
	told, err := overGRPC(t, f, time.Minute)
	require.NoError(t, err)
	require.Equal(t, 100_000, proto.Size(told))
	_, body, err = overHTTP(t, f)
	require.NoError(t, err)
	require.Len(t, body, 100_000)
	require.Equal(t, "{}", strings.TrimSpace(told.GetRawUnified().GetSite()))

	f.Set(Hang())
	_, err = overGRPC(t, f, 50*time.Millisecond)
	require.Equal(t, codes.DeadlineExceeded, status.Code(err))
	f.Set(Answer{Delay: 20 * time.Millisecond})
	begin := time.Now()
	_, err = overGRPC(t, f, time.Minute)
	require.NoError(t, err)
	require.GreaterOrEqual(t, time.Since(begin), 20*time.Millisecond)
}

func TestFrontend_SpeaksOnlyWhatItIsTold(t *testing.T) {
	f := Start(t, Site("{}"))
	f.Speak(GRPCOnly)
	_, err := overGRPC(t, f, time.Minute)
	require.NoError(t, err)
	_, _, err = overHTTP(t, f)
	require.Error(t, err)

	f.Speak(HTTPOnly)
	_, err = overGRPC(t, f, time.Minute)
	require.Equal(t, codes.Unavailable, status.Code(err))
	_, _, err = overHTTP(t, f)
	require.NoError(t, err)
	require.Equal(t, 2, f.Fetches())
}

func TestFrontend_IsDownAndUpAgain(t *testing.T) {
	f := Start(t, Site("{}"))
	f.Down()
	_, err := net.Dial("tcp", f.Address())
	require.ErrorContains(t, err, "refused")
	f.Up()
	_, err = overGRPC(t, f, time.Minute)
	require.NoError(t, err)
}

func TestFrontend_AwaitSeesCalls(t *testing.T) {
	f := Start(t, Site("{}"))
	called := make(chan error, 2)
	for range cap(called) {
		go func() {
			response, err := http.Post("http://"+f.Address()+"/.internal/configuration", "application/json", http.NoBody)
			if err == nil {
				err = response.Body.Close()
			}
			called <- err
		}()
	}
	f.Await(2)
	for range cap(called) {
		require.NoError(t, <-called)
	}
	http.DefaultClient.CloseIdleConnections()
	require.Equal(t, 2, f.Fetches())
}
