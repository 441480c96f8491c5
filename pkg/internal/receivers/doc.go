// Package receivers has the services that notifications go to, as real listeners for
// tests: they check what they are sent, answer as the services do, and refuse in the
// services' own ways. What they have got can be compared with golden files.
package receivers
