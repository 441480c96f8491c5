// Package state keeps what must survive a crash: one bbolt file in the data
// directory, readable by its owner only, every change synced to the disk before
// it is acknowledged. For now that is the accepted configuration.
package state
