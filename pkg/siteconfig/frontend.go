package siteconfig

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"
)

// frontend is a Sourcegraph frontend, asked over one protocol or the other.
type frontend struct {
	grpc     *grpcFetcher
	http     *httpFetcher
	protocol string
	timeout  time.Duration
	log      *slog.Logger

	// overHTTP is remembered with ProtocolAuto until a fetch fails.
	overHTTP bool
}

func newFrontend(address *url.URL, o Options, log *slog.Logger) *frontend {
	return &frontend{
		grpc:     newGRPC(address, o.GRPCRetry),
		http:     newHTTP(address, o.HTTPRetry),
		protocol: o.Protocol,
		timeout:  o.FetchTimeout,
		log:      log,
	}
}

func (f *frontend) fetch(ctx context.Context) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	switch f.protocol {
	case ProtocolGRPC:
		return f.grpc.fetch(ctx)
	case ProtocolHTTP:
		return f.http.fetch(ctx)
	default:
		return f.fetchAuto(ctx)
	}
}

// fetchAuto asks over gRPC, and over HTTP where the frontend does not speak gRPC.
func (f *frontend) fetchAuto(ctx context.Context) (answer, error) {
	if f.overHTTP {
		a, err := f.http.fetch(ctx)
		f.overHTTP = err == nil // it may have become another frontend
		return a, err
	}
	a, err := f.grpc.fetch(ctx)
	if foreign := new(fetchError); !errors.As(err, &foreign) || !foreign.foreign {
		return a, err
	}
	a, err = f.http.fetch(ctx)
	if failed := new(fetchError); errors.As(err, &failed) {
		both := *failed
		both.reason = fmt.Sprintf("the frontend does not speak gRPC; %s", failed.reason)
		return answer{}, &both
	}
	f.overHTTP = true
	f.log.Info("The frontend does not speak gRPC: its site configuration is fetched over HTTP")
	return a, nil
}

func (f *frontend) wait(ctx context.Context, d time.Duration) { sleep(ctx, d) }

func (f *frontend) close() {
	f.grpc.close()
	f.http.close()
}
