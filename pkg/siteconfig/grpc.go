package siteconfig

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	grpcstatus "google.golang.org/grpc/status"

	"github.com/sourcegraph/srcprom/pkg/siteconfig/internal/configpb"
)

const (
	getConfigMethod = "/api.internalapi.v1.ConfigService/GetConfig"
	actorHeader     = "X-Sourcegraph-Actor-UID"
	internalActor   = "internal"
	userAgent       = "srcprom"
	// migrationMark stands for each of the addresses of databases during a migration.
	migrationMark = "!migrationinprogress!"
)

// grpcFetcher fetches over gRPC, as from Sourcegraph 5.2 on. It keeps one connection
// as long as that works.
type grpcFetcher struct {
	address *url.URL
	retry   retry
	dialer  *dialer
	conn    *grpc.ClientConn // nil when there is none
}

func newGRPC(address *url.URL, r GRPCRetry) *grpcFetcher {
	return &grpcFetcher{address: address, retry: r.retry(), dialer: newDialer(address)}
}

func (g *grpcFetcher) fetch(ctx context.Context) (answer, error) { return g.retry.do(ctx, g.call) }

func (g *grpcFetcher) call(ctx context.Context) (answer, error) {
	if err := g.connect(); err != nil {
		return answer{}, err
	}
	ctx = metadata.AppendToOutgoingContext(ctx, actorHeader, internalActor)
	var response configpb.GetConfigResponse
	err := g.conn.Invoke(ctx, getConfigMethod, new(configpb.GetConfigRequest), &response, grpc.MaxCallRecvMsgSize(maxAnswer))
	if err != nil {
		// gRPC would wait longer and longer before it connects again, and look up no name.
		g.close()
		return answer{}, g.explain(ctx, err)
	}
	unified := response.GetRawUnified()
	if unified == nil {
		return answer{}, &fetchError{reason: "the answer over gRPC has no configuration in it"}
	}
	dsns := unified.GetServiceConnections()
	return answer{
		site:      unified.GetSite(),
		migrating: isMigrating(dsns.GetPostgresDsn(), dsns.GetCodeIntelPostgresDsn(), dsns.GetCodeInsightsDsn()),
	}, nil
}

func (g *grpcFetcher) connect() error {
	if g.conn != nil {
		return nil
	}
	conn, err := grpc.NewClient("passthrough:///"+g.address.Host,
		grpc.WithTransportCredentials(insecure.NewCredentials()), // the dialer sees to TLS
		grpc.WithContextDialer(g.dialer.dial),
		grpc.WithUserAgent(userAgent),
		grpc.WithDisableServiceConfig(),
		grpc.WithDisableRetry(), // ours is set by the operator
	)
	if err != nil {
		return &fetchError{reason: fmt.Sprintf("make a gRPC client: %v", err)}
	}
	g.conn = conn
	return nil
}

// explain says what an error means. Its own words may come from the frontend.
func (g *grpcFetcher) explain(ctx context.Context, err error) error {
	code := grpcstatus.Code(err)
	http1, dialed := g.dialer.last()
	switch {
	case ctx.Err() != nil || code == codes.DeadlineExceeded:
		return &fetchError{reason: "no answer over gRPC in time"}
	case code == codes.Unimplemented, http1, errors.Is(dialed, errNoHTTP2):
		return &fetchError{reason: "the frontend does not speak gRPC", foreign: true}
	case code == codes.Unavailable && dialed != nil:
		return &fetchError{reason: dialed.Error(), unreachable: true, again: true}
	case code == codes.Unavailable:
		return &fetchError{reason: "the frontend is not available over gRPC", unreachable: true, again: true}
	case code == codes.ResourceExhausted && strings.Contains(err.Error(), "larger than max"):
		return &fetchError{reason: tooLarge}
	case code == codes.ResourceExhausted:
		return &fetchError{reason: "the frontend has too much to do", again: true}
	default:
		return &fetchError{reason: fmt.Sprintf("the call over gRPC ended with the code %s", code)}
	}
}

func (g *grpcFetcher) close() {
	if g.conn != nil {
		_ = g.conn.Close() // says only that it was closed before
		g.conn = nil
	}
}

// isMigrating says whether all addresses of databases are the mark of a migration.
func isMigrating(dsns ...string) bool {
	for _, dsn := range dsns {
		if dsn != migrationMark {
			return false
		}
	}
	return true
}

// tooLarge is said of an answer over either protocol.
var tooLarge = fmt.Sprintf("the answer is larger than %d bytes", maxAnswer)
