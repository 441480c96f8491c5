package web

import (
	"context"
	"errors"
	"net/http"

	"github.com/sourcegraph/srcprom/pkg/client"
)

// siteConfigAPI serves /api/srcprom/v1/siteconfig.
type siteConfigAPI struct {
	*configAPI
	// push is Deps.Push.
	push func(ctx context.Context, text string, dryRun bool) (*client.SiteConfigResult, error)
}

func (a *siteConfigAPI) post(w http.ResponseWriter, r *http.Request) {
	if a.push == nil {
		writeError(w, http.StatusNotFound, "there is no site configuration: start with --siteconfig.url or --siteconfig.file")
		return
	}
	a.change(w, r, a.pushOrPlan, mediaJSON, mediaJSONC)
}

func (a *siteConfigAPI) pushOrPlan(body []byte, mode configMode) (configDo, error) {
	if mode.strict {
		return nil, errors.New("parameter strict: a site configuration is applied without what is wrong with it; use dry_run to see that")
	}
	return func(ctx context.Context) (any, error) {
		return a.push(ctx, string(body), mode.dryRun)
	}, nil
}
