package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/sourcegraph/srcprom/pkg/client"
)

// notFound is an error of who asked for something that is not there, to be answered
// with 404.
type notFound interface {
	error
	NotFound()
}

// testAPI serves POST of /api/srcprom/v1/test-notification.
//
// Whoever may post alerts can make the server notify, so that a test through what
// runs needs no flag. A candidate can make it call any address, which is what the flag
// of the configuration API is for.
type testAPI struct {
	configuration *configAPI
	candidates    bool // the configuration API is enabled
	test          func(context.Context, client.TestNotificationRequest) (*client.TestNotificationResult, error)
}

func (a *testAPI) post(w http.ResponseWriter, r *http.Request) {
	if a.test == nil {
		writeNoAlerting(w)
		return
	}
	if readiness := a.configuration.readiness(); !readiness.Ready {
		setStopping(w, readiness)
		writeError(w, http.StatusServiceUnavailable, strings.Join(readiness.Reasons, "; "))
		return
	}
	request, refusal := a.read(w, r)
	if refusal != nil {
		writeError(w, refusal.status, refusal.reason)
		return
	}
	result, err := a.test(r.Context(), request)
	if err != nil {
		a.writeFailure(r.Context(), w, err)
		return
	}
	writeJSON(w, http.StatusOK, wireTestResult(result))
}

func (a *testAPI) read(w http.ResponseWriter, r *http.Request) (client.TestNotificationRequest, *refusal) {
	var request client.TestNotificationRequest
	if r.URL.RawQuery != "" {
		return request, &refusal{http.StatusBadRequest, "query string: want none, what is asked for is in the body"}
	}
	body, wrong := a.configuration.readBody(w, r, mediaJSON)
	if wrong != nil {
		return request, wrong
	}
	if err := decodeObject(body, &request); err != nil {
		return request, &refusal{http.StatusBadRequest, err.Error()}
	}
	if (request.Receiver == "") == (len(request.Labels) == 0) {
		return request, &refusal{http.StatusBadRequest, `decode request body: want either "receiver" or "labels"`}
	}
	if request.HasCandidate() && !a.candidates {
		return request, &refusal{http.StatusForbidden, fmt.Sprintf("%s; without documents and site_config, what runs is tested", configAPIOff)}
	}
	return request, nil
}

func (a *testAPI) writeFailure(ctx context.Context, w http.ResponseWriter, err error) {
	if _, bad := errors.AsType[badQuery](err); bad {
		writeError(w, http.StatusBadRequest, err.Error())
		return
	}
	if _, missing := errors.AsType[notFound](err); missing {
		writeError(w, http.StatusNotFound, err.Error())
		return
	}
	a.configuration.writeFailure(ctx, w, err)
}

func wireTestResult(result *client.TestNotificationResult) client.TestNotificationResult {
	wire := *result
	wire.Receivers = append([]client.TestedReceiver{}, result.Receivers...) // [], never null
	for i := range wire.Receivers {
		tested := &wire.Receivers[i]
		tested.Integrations = append([]client.TestedIntegration{}, tested.Integrations...)
	}
	return wire
}
