package siteconfig

import (
	"context"
	"errors"
	"fmt"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/config"
)

// Push makes a server run a site configuration, in JSONC, at once, until the source
// brings a text other than the one that it brought last. With dryRun it says what would
// happen. A text that cannot be read is [config.Faults]; other errors are those of the
// server.
func (s *Subscriber) Push(ctx context.Context, server Server, text string, dryRun bool) (*client.SiteConfigResult, error) {
	document, err := s.overlay.Read(text)
	if err != nil {
		return nil, config.Faults{faultOf(err)}
	}
	do := server.Apply
	if dryRun {
		do = server.Plan
	}
	result, err := do(ctx, change(document, s.brought.Load()))
	if err != nil {
		return nil, err
	}
	if !dryRun {
		s.status.applied(result.Version)
	}
	return wireResult(result), nil
}

// faultOf says where a text cannot be read, and why.
func faultOf(err error) config.Fault {
	fault := config.Fault{Document: config.SiteConfigDocument, Reason: err.Error()}
	if at := (syntaxError{}); errors.As(err, &at) {
		fault.Line, fault.Reason = at.line, fmt.Sprintf("column %d: %s", at.column, at.reason)
	}
	return fault
}

func wireResult(r *config.Result) *client.SiteConfigResult {
	result := &client.SiteConfigResult{
		ConfigResult: client.ConfigResult{
			Version:  r.Version,
			Changes:  append([]string{}, r.Changes...),
			SetAside: make([]client.SetAside, 0, len(r.SetAside)),
			Warnings: r.Warnings,
		},
		Problems: append([]client.ConfigProblem{}, wireProblems(r.Problems)...),
	}
	for _, entry := range r.SetAside {
		result.SetAside = append(result.SetAside, client.SetAside(entry))
	}
	return result
}
