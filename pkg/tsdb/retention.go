package tsdb

import (
	"strconv"
	"strings"

	promconfig "github.com/prometheus/prometheus/config"
)

// RetentionInfo tells what is kept, in words, as upstream's web package does for
// /api/v1/status/runtimeinfo: for example "15d or 512MiB". It is empty while the
// store is not open, and where nothing is ever removed.
func (s *Store) RetentionInfo() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return describeRetention(s.retention)
}

func describeRetention(r promconfig.TSDBRetentionConfig) string {
	var limits []string
	if r.Time != 0 {
		limits = append(limits, r.Time.String())
	}
	if r.Size != 0 {
		limits = append(limits, r.Size.String())
	}
	if r.Percentage != 0 {
		limits = append(limits, strconv.FormatFloat(r.Percentage, 'g', -1, 64)+"%")
	}
	return strings.Join(limits, " or ")
}
