package srcprom

import (
	"fmt"
	"strings"

	"github.com/sourcegraph/srcprom/pkg/config"
)

// SetAsideError says that a configuration was applied, but for the entries that
// it names.
type SetAsideError struct {
	Entries []config.SetAside
}

// Error names all entries on one line.
func (e *SetAsideError) Error() string {
	texts := make([]string, len(e.Entries))
	for i, entry := range e.Entries {
		texts[i] = fmt.Sprintf("%s (%s:%d): %s", entry.Name, entry.Document, entry.Line, entry.Reason)
	}
	return "applied, but set aside: " + strings.Join(texts, "; ")
}

func setAsideError(entries []config.SetAside) error {
	if len(entries) == 0 {
		return nil
	}
	return &SetAsideError{Entries: entries}
}

// strictError is the refusal of a change that would set entries aside, where the
// caller did not want that.
type strictError struct{ faults config.Faults }

func (e strictError) Error() string { return e.faults.Error() }
func (e strictError) Unwrap() error { return e.faults }

// setAsideFaults are the faults of a change that must not set anything aside.
func setAsideFaults(entries []config.SetAside) config.Faults {
	faults := make(config.Faults, len(entries))
	for i, entry := range entries {
		faults[i] = config.Fault{Document: entry.Document, Line: entry.Line, Reason: entry.Name + ": " + entry.Reason}
	}
	return faults
}
