package lifecycle

// Step is one part's share of an apply. Whatever can fail has been done when
// it is made: Commit should only swap.
type Step struct {
	// Changes says in words what differs; empty means that there is nothing to do.
	Changes []string
	// Commit makes the part run the new configuration. When it fails, the part
	// still runs the old one. Nil when there is nothing to do.
	Commit func() error
	// Undo puts back what Commit replaced. It is called at most once, and only
	// after a Commit that succeeded.
	Undo func() error
}
