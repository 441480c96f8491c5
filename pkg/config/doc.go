// Package config says what a server is told to do, as plain data: documents in
// the engines' usual formats, where they come from, and the effective
// configuration that follows from them. It has no live objects.
//
// [Gather] reads files and decides which writer of a document wins, [Change] is an
// edit by somebody else. [Load] computes the effective configuration, a pure
// function but for a look at whether secret files are there: it sets aside those
// rule groups, scrape jobs and integrations that are wrong, and refuses everything
// else that is wrong with [Faults]. [Redact] makes a document fit to be shown.
package config
