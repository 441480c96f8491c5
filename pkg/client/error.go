package client

import (
	"fmt"
	"net/http"
	"strings"
)

// Error is an answer other than the one asked for. Callers decide on its status:
//
//	400, 413, 415  the request is malformed, too large, or not JSON
//	403            the endpoint is off (the message names the flag), or the request crossed origins
//	404            the version to roll back to is not kept
//	409            the configuration has another version than ConfigRequest.IfVersion
//	422            the configuration was refused, for the reasons in Faults
//	503            the server is starting or stopping
type Error struct {
	Status  int
	Message string
	Faults  []Fault
}

// Error names the status and everything that the server said about it.
func (e *Error) Error() string {
	said := make([]string, 0, 1+len(e.Faults))
	if e.Message != "" {
		said = append(said, e.Message)
	}
	for _, f := range e.Faults {
		said = append(said, f.String())
	}
	return fmt.Sprintf("%d %s: %s", e.Status, http.StatusText(e.Status), strings.Join(said, "; "))
}

// String is the fault as "document:line: reason", without the line when it is
// unknown.
func (f Fault) String() string {
	if f.Line == 0 {
		return fmt.Sprintf("%s: %s", f.Document, f.Reason)
	}
	return fmt.Sprintf("%s:%d: %s", f.Document, f.Line, f.Reason)
}
