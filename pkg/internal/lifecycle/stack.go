package lifecycle

import (
	"errors"
	"fmt"
)

// Stack collects the releases of what has been acquired. A failed construction
// and a normal stop both unwind it, last acquired first. The zero value is ready
// to use; it is not safe for concurrent use.
type Stack struct {
	releases []release
}

type release struct {
	name string
	f    func() error
}

// Push registers a release. Call it in the line after the acquisition.
func (s *Stack) Push(name string, f func() error) {
	s.releases = append(s.releases, release{name: name, f: f})
}

// Unwind runs all releases in reverse order, each once, and joins their errors
// with their names.
func (s *Stack) Unwind() error {
	var errs []error
	for len(s.releases) > 0 {
		last := s.releases[len(s.releases)-1]
		s.releases = s.releases[:len(s.releases)-1]
		if err := last.f(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", last.name, err))
		}
	}
	return errors.Join(errs...)
}
