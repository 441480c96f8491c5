// Package backup writes archives of everything that a server has, and makes data
// directories of them. An archive is one compressed tar file, which other programs
// can read as well:
//
//	manifest.json     what the archive is, the first file
//	config/…          the configuration documents, for people
//	srcprom/state.db  what must survive: silences, alerts, configurations, history
//	tsdb/…            the blocks of a snapshot of the database
//	SHA256SUMS        of all other files, the last one; without it the archive is not whole
//
// It holds every secret of the configuration, as it is.
package backup
