package web

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/config"
)

func TestConfigHistory_IsShownInPages(t *testing.T) {
	s := startServer(t, withConfigAPI)
	c := configClient(t, s)
	history, err := c.ConfigHistory(t.Context(), client.ConfigHistoryQuery{})
	require.NoError(t, err)
	require.Equal(t, &client.ConfigHistory{Versions: []client.ConfigVersion{}}, history)
	require.JSONEq(t, `{"versions":[],"next":0}`, s.get(t, "/api/srcprom/v1/config/history").body)

	s.configurer.history = client.ConfigHistory{Next: 4, Versions: []client.ConfigVersion{{
		Version: 5, AppliedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Changes: []string{"rules: one"}, SetAside: []client.SetAside{},
		RolledBackTo: 2, Documents: map[string]client.DocumentChange{"rules/a": {Provenance: client.Provenance{Source: "http"}, Hash: "ab", Diff: "-x\n+y\n"}},
	}}}
	history, err = c.ConfigHistory(t.Context(), client.ConfigHistoryQuery{Before: 6, Limit: 1})
	require.NoError(t, err)
	require.Equal(t, &s.configurer.history, history)
	require.Equal(t, [][2]uint64{{0, 20}, {0, 20}, {6, 1}}, s.configurer.pages)
}

func TestConfigHistory_MalformedQuestionsAreRefused(t *testing.T) {
	s := startServer(t, withConfigAPI)
	for query, part := range map[string]string{
		"before=-1": "want a number", "before=x": "want a number", "limit=0": "from 1 to 100", "limit=101": "from 1 to 100",
		"limit=ten": "from 1 to 100", "limit=1&limit=2": "want it once", "after=3": "want one of before, limit", "%zz": "parse query string",
	} {
		a := s.get(t, "/api/srcprom/v1/config/history?"+query)
		require.Equal(t, http.StatusBadRequest, a.status, query)
		require.Contains(t, a.body, part, query)
	}
	require.Empty(t, s.configurer.pages)
}

func TestRollback_AppliesOrPlans(t *testing.T) {
	s := startServer(t, withConfigAPI)
	s.configurer.result = config.Result{Version: 9, Changes: []string{"rules: one"}}
	want := &client.ConfigResult{Version: 9, Changes: []string{"rules: one"}, SetAside: []client.SetAside{}}
	version := uint64(8)
	c := configClient(t, s)

	got, err := c.PlanRollbackConfig(t.Context(), client.RollbackRequest{Version: 3, IfVersion: &version})
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.Empty(t, s.configurer.rolledBack)
	before := time.Now()
	got, err = c.RollbackConfig(t.Context(), client.RollbackRequest{Version: 3, Strict: true})
	require.NoError(t, err)
	require.Equal(t, want, got)

	planned, done := s.configurer.plannedBack[0], s.configurer.rolledBack[0]
	require.Equal(t, config.Rollback{Version: 3, IfVersion: &version, Provenance: planned.Provenance}, planned)
	require.Equal(t, config.SourceHTTP, done.Provenance.Source)
	require.WithinRange(t, done.Provenance.At, before.Add(-time.Second), time.Now())
	require.True(t, done.Strict)
	require.Nil(t, done.IfVersion)
}

func TestRollback_RefusalsSayWhy(t *testing.T) {
	s := startServer(t, withConfigAPI)
	for status, err := range map[int]error{
		http.StatusNotFound:            fmt.Errorf("%w: 3", config.ErrNotKept),
		http.StatusConflict:            fmt.Errorf("%w: it is at 4", config.ErrVersion),
		http.StatusUnprocessableEntity: config.Faults{{Document: "prometheus", Line: 1, Reason: "bad"}},
		http.StatusInternalServerError: fmt.Errorf("the disk is on fire"),
	} {
		s.configurer.err = err
		_, got := configClient(t, s).RollbackConfig(t.Context(), client.RollbackRequest{Version: 3})
		var refused *client.Error
		require.ErrorAs(t, got, &refused)
		require.Equal(t, status, refused.Status)
		require.ErrorContains(t, got, "roll back configuration")
	}
	for body, part := range map[string]string{
		`{}`: `want \"version\"`, `{"version":0}`: `want \"version\"`, `{"version":1,"force":true}`: "unknown field",
		`{"version":-1}`: "cannot unmarshal", `{"version":1}{}`: "nothing after the object", ``: "EOF",
	} {
		a := s.do(t, http.MethodPost, "/api/srcprom/v1/config/rollback", body, asJSON())
		require.Equal(t, http.StatusBadRequest, a.status, body)
		require.Contains(t, a.body, part, body)
	}
	require.Len(t, s.configurer.rolledBack, 4)
}
