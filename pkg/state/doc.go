// Package state keeps what must survive a crash: one bbolt file in the data
// directory, readable by its owner only.
//
// Changes are queued, which takes no time and may be done under any lock, and
// written in one transaction with all others that are queued; who must be sure
// waits for that with [State.Flush]. While the disk takes nothing they stay in
// memory, bounded by the number of records, and are tried again.
//
// Every record has a checksum, and the file is looked at as a whole when it is
// opened. If something is damaged, the file is set aside, and a new one begins with
// all that is readable of it.
package state
