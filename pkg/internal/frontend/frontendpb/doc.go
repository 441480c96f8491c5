// Package frontendpb holds the messages in which a Sourcegraph frontend tells its
// configuration.
package frontendpb
