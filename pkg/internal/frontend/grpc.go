package frontend

import (
	"context"
	"math"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // the codec that others speak
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/sourcegraph/srcprom/pkg/internal/frontend/frontendpb"
)

func (f *Frontend) newGRPC() *grpc.Server {
	server := grpc.NewServer(
		grpc.ForceServerCodecV2(codec{encoding.GetCodecV2("proto")}),
		grpc.MaxSendMsgSize(math.MaxInt32),
	)
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "api.internalapi.v1.ConfigService",
		Methods:     []grpc.MethodDesc{{MethodName: "GetConfig", Handler: f.getConfig}},
	}, nil)
	return server
}

// getConfig is a handler of [grpc.MethodDesc].
//
//nolint:revive // the order of its arguments is that of gRPC
func (f *Frontend) getConfig(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	if err := decode(new(frontendpb.GetConfigRequest)); err != nil {
		return nil, err
	}
	header, _ := metadata.FromIncomingContext(ctx)
	a, id := f.called(Call{
		Protocol:  "grpc",
		Actor:     strings.Join(header.Get("x-sourcegraph-actor-uid"), ","),
		UserAgent: strings.Join(header.Get("user-agent"), ","),
	})
	if err := f.hold(ctx, a); err != nil {
		return nil, err
	}
	if a.Code != 0 {
		return nil, status.Error(a.Code, "no database: "+Secret)
	}
	return a.message(id, Secret), nil
}

// codec sends bytes as they are, and everything else as messages.
type codec struct{ encoding.CodecV2 }

func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	if raw, ok := v.([]byte); ok {
		return mem.BufferSlice{mem.SliceBuffer(raw)}, nil
	}
	return c.CodecV2.Marshal(v)
}
