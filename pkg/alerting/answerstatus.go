package alerting

import (
	"context"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// statusAttribute is where a span of an HTTP request has the status of the answer.
const statusAttribute attribute.Key = "http.response.status_code"

// statusSpan remembers the last HTTP status that was answered to a request in its
// context. Upstream's integrations tell nobody the status of a success; but their
// clients are traced, and ask the span in the context of a request who traces it. See
// Transport of otelhttp, and NewClientWithTracing of Alertmanager's notify/util.go.
//
// It is that span, and its own tracer.
type statusSpan struct {
	noop.Span
	code atomic.Int64
}

// withStatus returns a context whose HTTP requests leave their status in the span.
func withStatus(ctx context.Context) (context.Context, *statusSpan) {
	a := &statusSpan{}
	return trace.ContextWithSpan(ctx, a), a
}

func (a *statusSpan) status() int { return int(a.code.Load()) }

// SpanContext implements trace.Span. It is valid, or nobody would ask for the tracer,
// and not sampled.
func (*statusSpan) SpanContext() trace.SpanContext {
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}})
}

// SetAttributes implements trace.Span.
func (a *statusSpan) SetAttributes(attributes ...attribute.KeyValue) {
	for _, attribute := range attributes {
		if attribute.Key == statusAttribute {
			a.code.Store(attribute.Value.AsInt64())
		}
	}
}

// TracerProvider implements trace.Span.
func (a *statusSpan) TracerProvider() trace.TracerProvider { return statusTracers{of: a} }

type statusTracers struct {
	noop.TracerProvider
	of *statusSpan
}

// Tracer implements trace.TracerProvider.
func (t statusTracers) Tracer(string, ...trace.TracerOption) trace.Tracer {
	return statusTracer{of: t.of}
}

type statusTracer struct {
	noop.Tracer
	of *statusSpan
}

// Start implements trace.Tracer.
func (t statusTracer) Start(ctx context.Context, _ string, _ ...trace.SpanStartOption) (context.Context, trace.Span) {
	return trace.ContextWithSpan(ctx, t.of), t.of
}
