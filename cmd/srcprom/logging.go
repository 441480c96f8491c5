package main

import (
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"strings"
	"time"

	"github.com/go-kit/log"
	sloggokit "github.com/tjhop/slog-gokit"
)

// Names that --log.level and --log.format take, as every Prometheus program has them.
var (
	logLevels  = []string{"debug", "info", "warn", "error"}
	logFormats = []string{"logfmt", "json"}
)

// logTime is RFC 3339 with a fixed number of digits, so that lines align.
const logTime = "2006-01-02T15:04:05.000Z07:00"

// newLogger returns the logger of the process: go-kit's encoders behind the
// *slog.Logger that the server and both engines take. The level can be changed
// while it is in use.
func newLogger(w io.Writer, format string, level slog.Leveler) *slog.Logger {
	kit := log.NewLogfmtLogger(log.NewSyncWriter(w))
	if format == "json" {
		kit = log.NewJSONLogger(log.NewSyncWriter(w))
	}
	return slog.New(sloggokit.NewGoKitHandler(log.LoggerFunc(func(keyvals ...any) error {
		return kit.Log(arrange(keyvals)...)
	}), level))
}

// arrange puts the time first, gives each value the type that go-kit's encoders
// know, and renames what would hide a key of the line itself.
func arrange(keyvals []any) []any {
	line := make([]any, 2, len(keyvals)+2)
	own := map[any]bool{} // of the keys that the handler adds, those seen so far
	for i := 0; i+1 < len(keyvals); i += 2 {
		key, value := keyvals[i], keyvals[i+1]
		if v, ok := value.(slog.Value); ok {
			value = v.Any()
		}
		switch key {
		case slog.TimeKey:
			if t, ok := value.(time.Time); ok && line[0] == nil {
				line[0], line[1] = "ts", t.UTC().Format(logTime)
				continue
			}
		case "ts":
			key = "logged_ts"
		case slog.LevelKey, slog.MessageKey, "caller":
			if own[key] {
				key = fmt.Sprintf("logged_%s", key)
			}
			own[key] = true
		}
		line = append(line, key, encodable(value))
	}
	if line[0] == nil {
		return line[2:]
	}
	return line
}

// encodable returns a value that both encoders can write: of a line with one that
// they cannot, go-kit would write nothing.
func encodable(value any) any {
	switch v := value.(type) {
	case string:
		return v
	case time.Time:
		return v.Format(time.RFC3339Nano)
	case error, fmt.Stringer:
		return fmt.Sprint(v) // fmt survives a nil pointer
	}
	switch reflect.ValueOf(value).Kind() {
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Invalid:
		return value
	default: // floats as well: JSON has no NaN
		return fmt.Sprintf("%+v", value)
	}
}

// parseLevel reads a level as --log.level and runtime.log_level name it.
func parseLevel(name string) (slog.Level, error) {
	switch strings.ToLower(name) {
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return 0, fmt.Errorf("log level %q: must be one of %s", name, strings.Join(logLevels, ", "))
}

// oneLine keeps the text of an error on the line that reports it.
func oneLine(err error) string {
	lines := strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' })
	for i, line := range lines {
		lines[i] = strings.TrimSpace(line)
	}
	return strings.Join(lines, "; ")
}
