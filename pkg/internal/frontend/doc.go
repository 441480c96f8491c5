// Package frontend stands in for a Sourcegraph frontend in tests: it tells a site
// configuration over gRPC and over HTTP, in the formats of the wire, from one
// listener. A test says what it answers, to each call if it must: slowly, never,
// wrongly, too much; that a migration is under way; that it is down.
package frontend
