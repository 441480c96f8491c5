// Package counters reads counters that upstream libraries register and keep to
// themselves, and tells when they last grew: what those libraries say of their
// failures in no other way.
package counters
