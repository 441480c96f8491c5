package alerting

import (
	"errors"
	"log/slog"
)

// groupLog is the log of a dispatcher. It learns from it of each group that is
// made: upstream tells nobody else, but gives each group a logger of its own, with
// the group's key.
type groupLog struct {
	slog.Handler
	made func(group string)
}

// The attributes of upstream's loggers that are read here; see newAggrGroup and
// runAG in dispatch/dispatch.go of Alertmanager.
const (
	groupAttr = "aggrGroup"
	errAttr   = "err"
)

// WithAttrs implements slog.Handler.
func (g groupLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(attrs) == 1 && attrs[0].Key == groupAttr {
		g.made(attrs[0].Value.String())
		return g.Handler.WithAttrs(attrs)
	}
	if isHold(attrs) { // upstream would call it a failure
		return slog.DiscardHandler
	}
	return groupLog{g.Handler.WithAttrs(attrs), g.made}
}

// WithGroup implements slog.Handler.
func (g groupLog) WithGroup(name string) slog.Handler {
	return groupLog{g.Handler.WithGroup(name), g.made}
}

func isHold(attrs []slog.Attr) bool {
	for _, attr := range attrs {
		if err, ok := attr.Value.Any().(error); ok && attr.Key == errAttr {
			return errors.Is(err, errHeld)
		}
	}
	return false
}

// withoutGroupLog is for what is not the dispatcher: upstream's stages, too, give a
// logger the key of the group that they send for.
func withoutGroupLog(l *slog.Logger) *slog.Logger {
	if g, ok := l.Handler().(groupLog); ok {
		return slog.New(g.Handler)
	}
	return l
}
