package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/config"
)

// The media types of what is sent.
const (
	mediaJSON  = "application/json"
	mediaJSONC = "application/jsonc"
)

// maxConfigBody bounds one change of the configuration, in bytes.
const maxConfigBody = 256 << 20

// configAPI serves /api/srcprom/v1/config and what is below it.
type configAPI struct {
	configurer Configurer
	readiness  func() client.Readiness
	// applyContext is Server.applyContext.
	applyContext func(*http.Request) (context.Context, context.CancelFunc)
	maxBody      int64
}

func (a *configAPI) get(w http.ResponseWriter, _ *http.Request) {
	current := a.configurer.Current()
	if current == nil {
		writeError(w, http.StatusServiceUnavailable, "no configuration has been applied yet")
		return
	}
	documents := make(map[string]client.Document, len(current.Documents))
	for name, document := range current.Documents {
		documents[name] = client.Document{
			Provenance: client.Provenance{
				Source: string(document.Provenance.Source),
				Path:   document.Provenance.Path,
				At:     document.Provenance.At,
			},
			Hash:    document.Hash(),
			Content: config.Redact(document),
		}
	}
	writeJSON(w, http.StatusOK, client.Config{
		Version:   current.Version,
		AppliedAt: current.AppliedAt,
		Documents: documents,
	})
}

func (a *configAPI) post(w http.ResponseWriter, r *http.Request) {
	a.change(w, r, a.applyOrPlan, mediaJSON)
}

func (a *configAPI) applyOrPlan(body []byte, mode configMode) (configDo, error) {
	request, err := decodeConfigRequest(body)
	if err != nil {
		return nil, err
	}
	do := a.configurer.Apply
	if mode.dryRun {
		do = a.configurer.Plan
	}
	return func(ctx context.Context) (any, error) {
		return wireResult(do(ctx, config.Change{
			Documents:  request.Documents,
			Provenance: pushedNow(),
			IfVersion:  request.IfVersion,
			Strict:     mode.strict,
		}))
	}, nil
}

func pushedNow() config.Provenance {
	return config.Provenance{Source: config.SourceHTTP, At: time.Now().UTC()}
}

// configDo carries out what a request asks for, or plans it, and returns what is to
// be answered.
type configDo func(context.Context) (any, error)

// change serves what changes the configuration; decode reads the body of the
// request, which is of one of the given media types.
func (a *configAPI) change(w http.ResponseWriter, r *http.Request, decode func([]byte, configMode) (configDo, error), media ...string) {
	if readiness := a.readiness(); !readiness.Ready {
		setStopping(w, readiness)
		writeError(w, http.StatusServiceUnavailable, strings.Join(readiness.Reasons, "; "))
		return
	}
	body, mode, refusal := a.read(w, r, media)
	if refusal != nil {
		writeError(w, refusal.status, refusal.reason)
		return
	}
	do, err := decode(body, mode)
	if err != nil {
		writeError(w, http.StatusBadRequest, err.Error())
		return
	}
	ctx, cancel := a.applyContext(r)
	defer cancel()
	answer, err := do(ctx)
	if err != nil {
		a.writeFailure(ctx, w, err)
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

// writeFailure tells refusals from what went wrong in the server.
func (a *configAPI) writeFailure(ctx context.Context, w http.ResponseWriter, err error) {
	faults, refused := errors.AsType[config.Faults](err)
	switch {
	case refused:
		writeJSON(w, http.StatusUnprocessableEntity, client.ErrorBody{Faults: wireFaults(faults)})
	case errors.Is(err, config.ErrNotKept):
		writeError(w, http.StatusNotFound, err.Error())
	case errors.Is(err, config.ErrVersion):
		writeError(w, http.StatusConflict, err.Error())
	case ctx.Err() != nil || a.readiness().Stopping:
		writeError(w, http.StatusServiceUnavailable, err.Error())
	default:
		writeError(w, http.StatusInternalServerError, err.Error())
	}
}

// refusal is a request that is not even tried.
type refusal struct {
	status int
	reason string
}

func (a *configAPI) read(w http.ResponseWriter, r *http.Request, wanted []string) ([]byte, configMode, *refusal) {
	mode, err := parseConfigMode(r.URL.RawQuery)
	if err != nil {
		return nil, mode, &refusal{http.StatusBadRequest, err.Error()}
	}
	body, refusal := a.readBody(w, r, wanted...)
	return body, mode, refusal
}

// readBody reads one of the media types that are wanted.
func (a *configAPI) readBody(w http.ResponseWriter, r *http.Request, wanted ...string) ([]byte, *refusal) {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || !slices.Contains(wanted, media) {
		return nil, &refusal{http.StatusUnsupportedMediaType, fmt.Sprintf("content type %q: want %s", r.Header.Get("Content-Type"), strings.Join(wanted, " or "))}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, a.maxBody))
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, &refusal{http.StatusRequestEntityTooLarge, fmt.Sprintf("request body: want at most %d bytes", tooLarge.Limit)}
	}
	if err != nil {
		return nil, &refusal{http.StatusBadRequest, fmt.Sprintf("read request body: %v", err)}
	}
	return body, nil
}

// configMode is what the query string of a change says.
type configMode struct {
	dryRun, strict bool
}

// parseConfigMode refuses what it does not know: a dry run that is misspelt must
// not become an apply.
func parseConfigMode(query string) (configMode, error) {
	var mode configMode
	params, err := url.ParseQuery(query)
	if err != nil {
		return mode, fmt.Errorf("parse query string: %w", err)
	}
	for name, values := range params {
		var flag *bool
		switch name {
		case "dry_run":
			flag = &mode.dryRun
		case "strict":
			flag = &mode.strict
		default:
			return mode, fmt.Errorf("parameter %q: want dry_run or strict", name)
		}
		if *flag, err = strconv.ParseBool(values[0]); err != nil || len(values) > 1 {
			return mode, fmt.Errorf("parameter %s=%q: want it once, with 1 or 0", name, strings.Join(values, ","))
		}
	}
	return mode, nil
}

func decodeConfigRequest(body []byte) (client.ConfigRequest, error) {
	var request client.ConfigRequest
	if err := decodeObject(body, &request); err != nil {
		return client.ConfigRequest{}, err
	}
	if request.Documents == nil {
		return client.ConfigRequest{}, errors.New(`decode request body: want "documents", an object`)
	}
	return request, nil
}

// decodeObject takes exactly one JSON object of known fields. Text that is not
// UTF-8 is refused, since the decoder would replace some of it in silence.
func decodeObject(body []byte, request any) error {
	if !utf8.Valid(body) {
		return errors.New("decode request body: want UTF-8")
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(request); err != nil {
		return fmt.Errorf("decode request body: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("decode request body: want nothing after the object")
	}
	return nil
}

func wireResult(result *config.Result, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	wire := client.ConfigResult{
		Version:  result.Version,
		Changes:  append([]string{}, result.Changes...), // [], never null
		SetAside: []client.SetAside{},
		Warnings: result.Warnings,
	}
	for _, entry := range result.SetAside {
		wire.SetAside = append(wire.SetAside, client.SetAside(entry))
	}
	return wire, nil
}

func wireFaults(faults config.Faults) []client.Fault {
	var wire []client.Fault
	for _, fault := range faults {
		wire = append(wire, client.Fault(fault))
	}
	return wire
}
