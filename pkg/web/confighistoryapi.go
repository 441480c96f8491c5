package web

import (
	"context"
	"errors"
	"net/http"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/config"
)

// How many versions a page of the history has.
const (
	defaultVersions = 20
	maxVersions     = 100
)

// history serves GET of /api/srcprom/v1/config/history.
func (a *configAPI) history(w http.ResponseWriter, r *http.Request) {
	p := parseParams(r.URL.RawQuery, configHistoryParams())
	before, limit := p.number("before"), p.count("limit", defaultVersions, maxVersions)
	if p.err != nil {
		writeError(w, http.StatusBadRequest, p.err.Error())
		return
	}
	history, err := a.configurer.ConfigHistory(r.Context(), before, limit)
	if err != nil {
		a.writeFailure(r.Context(), w, err)
		return
	}
	answer := *history
	answer.Versions = append([]client.ConfigVersion{}, answer.Versions...) // [], never null
	writeJSON(w, http.StatusOK, answer)
}

func configHistoryParams() []string { return []string{"before", "limit"} }

// rollback serves POST of /api/srcprom/v1/config/rollback.
func (a *configAPI) rollback(w http.ResponseWriter, r *http.Request) {
	a.change(w, r, a.rollbackOrPlan, mediaJSON)
}

func (a *configAPI) rollbackOrPlan(body []byte, mode configMode) (configDo, error) {
	var request client.RollbackRequest
	if err := decodeObject(body, &request); err != nil {
		return nil, err
	}
	if request.Version == 0 {
		return nil, errors.New(`decode request body: want "version", a number from 1`)
	}
	do := a.configurer.Rollback
	if mode.dryRun {
		do = a.configurer.PlanRollback
	}
	return func(ctx context.Context) (any, error) {
		return wireResult(do(ctx, config.Rollback{
			Version:    request.Version,
			Provenance: pushedNow(),
			IfVersion:  request.IfVersion,
			Strict:     mode.strict,
		}))
	}, nil
}
