// Package configpb holds the messages in which a Sourcegraph frontend tells its
// configuration, down to the few fields of them that are read.
package configpb
