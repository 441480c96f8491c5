// Package tsdb is the store: Prometheus's time series database, what is written
// to and read from remote storage beside it, and the PromQL engine over both.
//
// A [Store] opens nothing in [New] but its remote storage, so that the API can
// be built, and serve the progress of the replay, while [Store.Open] still reads
// the write-ahead log. Until then, and after [Store.Close], everything that reads
// or writes gets the engine's own error "TSDB not ready".
package tsdb
