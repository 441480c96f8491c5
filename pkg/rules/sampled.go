package rules

import (
	"context"
	"time"
)

type newestSampleKey struct{}

// withNewestSample says in the context of an evaluation which samples it sees.
func withNewestSample(ctx context.Context, t time.Time) context.Context {
	return context.WithValue(ctx, newestSampleKey{}, t)
}

// NewestSample is the timestamp of the newest sample that an evaluation could see,
// from the context that [Deps.Notify] and [Deps.QueryFunc] get. Zero means that it saw none, or
// that it is not known.
func NewestSample(ctx context.Context) time.Time {
	t, _ := ctx.Value(newestSampleKey{}).(time.Time)
	return t
}
