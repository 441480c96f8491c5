// Package e2e holds the tests that drive the real binary from outside, with
// real targets, real receivers and the real clients of both engines. `make test`
// builds or fetches the programs that they need and names them in the environment.
package e2e
