package config

import (
	"fmt"
	"strings"
)

// Fault is one reason why a configuration was refused.
type Fault struct {
	Document string `json:"document"`
	Line     int    `json:"line"` // 1-based; 0 when unknown
	Reason   string `json:"reason"`
}

func (f Fault) String() string {
	if f.Line == 0 {
		return fmt.Sprintf("%s: %s", f.Document, f.Reason)
	}
	return fmt.Sprintf("%s:%d: %s", f.Document, f.Line, f.Reason)
}

// Faults is the error of a configuration that was refused. It never holds a
// secret.
type Faults []Fault

// Error lists all faults on one line.
func (f Faults) Error() string {
	texts := make([]string, len(f))
	for i, fault := range f {
		texts[i] = fault.String()
	}
	return strings.Join(texts, "; ")
}
