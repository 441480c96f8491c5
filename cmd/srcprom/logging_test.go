package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLogger_LineBeginsWithTimeAndLevel(t *testing.T) {
	var out bytes.Buffer
	newLogger(&out, "logfmt", slog.LevelInfo).With("component", "web").Warn("two words", "n", 3, "err", errors.New("a\nb"), "took", time.Second)
	require.Regexp(t, `^ts=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z level=warn caller=logging_test.go:\d+ msg="two words" component=web n=3 err="a\\nb" took=1s\n$`, out.String())
}

func TestLogger_JSONKeepsNumbersAndItsOwnKeys(t *testing.T) {
	var out bytes.Buffer
	newLogger(&out, "json", slog.LevelInfo).Info("said", "n", 3, "level", 7, "msg", "other", "ts", "then")
	var line map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &line))
	require.Equal(t, "info", line["level"])
	require.Equal(t, "said", line["msg"])
	require.InDelta(t, 3, line["n"], 0)
	require.InDelta(t, 7, line["logged_level"], 0)
	require.Equal(t, "other", line["logged_msg"])
	require.Equal(t, "then", line["logged_ts"])
}

func TestLogger_ValuesOfAnyTypeAreWritten(t *testing.T) {
	for _, format := range logFormats {
		for _, value := range []any{
			nil,
			[]string{"a", "b"},
			map[string]int{"a": 1},
			struct{ A int }{1},
			math.NaN(), 1.5, make(chan int), func() {},
			(*time.Time)(nil), (*url.URL)(nil), errors.New("x"), (*net.OpError)(nil), slog.GroupValue(slog.Int("n", 1)),
			panicking{},
		} {
			var out bytes.Buffer
			newLogger(&out, format, slog.LevelInfo).Info("said", "value", value)
			require.Equal(t, 1, strings.Count(out.String(), "\n"), "%s of %T", format, value)
			require.Contains(t, out.String(), "said", "%s of %T", format, value)
			require.NotContains(t, out.String(), "unsupported", "%s of %T", format, value)
		}
	}
}

type panicking struct{}

func (panicking) String() string { panic("no text") }

func TestLogger_LevelChangesWhileRunning(t *testing.T) {
	var out bytes.Buffer
	level := new(slog.LevelVar)
	log := newLogger(&out, "logfmt", level).With("component", "x")
	log.Debug("hidden")
	setLevel(level, "debug")
	log.Debug("shown")
	setLevel(level, "error")
	log.Warn("hidden again")
	setLevel(level, "no level")
	log.Warn("hidden still")
	require.Equal(t, 1, strings.Count(out.String(), "\n"))
	require.Contains(t, out.String(), "msg=shown")
}

func TestOneLine_JoinsWhatErrorsJoin(t *testing.T) {
	require.Equal(t, "a; b", oneLine(errors.Join(errors.New("a"), errors.New("  b"))))
}
