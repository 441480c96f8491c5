package state

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// ErrDamaged says that the content of the file makes no sense.
var ErrDamaged = errors.New("the file is damaged")

// catch turns what becomes of reading a damaged file into an error: bbolt panics,
// and reading behind the end of the file, or what the disk cannot read, faults.
func catch(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = &panicError{p}
		}
	}()
	return f()
}

// panicError is a panic that was caught.
type panicError struct{ value any }

func (e *panicError) Error() string { return fmt.Sprint(e.value) }

// guard is catch for the open file.
func (s *State) guard(f func() error) error {
	err := catch(f)
	if errors.As(err, new(*panicError)) {
		return s.damaged(err)
	}
	return err
}

func (s *State) damaged(err error) error {
	return fmt.Errorf("read the state file %q: %w (%w); restart to set it aside and carry over what is readable of it",
		s.path, ErrDamaged, err)
}
