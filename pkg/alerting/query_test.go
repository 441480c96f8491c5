package alerting

import (
	"log/slog"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"
)

func TestParseMatchers_OneOfTheSetsMustMatch(t *testing.T) {
	InitMatchers(slog.New(slog.DiscardHandler), nil)
	disk := model.LabelSet{"alertname": "Disk", "team": "a"}
	for _, c := range []struct {
		sets []string
		want bool
	}{
		{nil, true},
		{[]string{`{}`}, true},
		{[]string{`{alertname="Disk"}`}, true},
		{[]string{`alertname="Disk",team=~"b|c"`}, false},
		{[]string{`alertname="Disk",team=~"b|c"`, `team!="b"`}, true},
		{[]string{`{zone="x"}`}, false},
		{[]string{`{zone=""}`}, true},
	} {
		sets, err := parseMatchers(c.sets)
		require.NoError(t, err)
		require.Equal(t, c.want, matchesAny(sets, disk), "%q", c.sets)
	}
}

func TestParseMatchers_WhatCannotBeReadIsNamed(t *testing.T) {
	InitMatchers(slog.New(slog.DiscardHandler), nil)
	for _, bad := range []string{``, `alertname`, `a=~"("`, `{a="b"} or {c="d"}`} {
		_, err := parseMatchers([]string{`a="b"`, bad})
		var query QueryError
		require.ErrorAs(t, err, &query, "%q", bad)
		require.Contains(t, query.Reason, "matchers ", "%q", bad)
	}
}
