// Package health watches the server itself. A [Monitor] looks at what each part
// says is wrong with it, remembers since when, and raises alerts for it straight
// into the hand-off to alerting: not by rules, since rules may be what is broken.
package health
