package web

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// backupStall is how long the client of a backup may take nothing of it.
const backupStall = time.Minute

// serveBackup serves POST of /api/srcprom/v1/admin/backup.
func (s *Server) serveBackup(w http.ResponseWriter, r *http.Request) {
	if readiness := s.readiness(); !readiness.Ready {
		setStopping(w, readiness)
		writeError(w, http.StatusServiceUnavailable, strings.Join(readiness.Reasons, "; "))
		return
	}
	archive := &attachment{w: w, stall: s.stall, name: "srcprom-" + time.Now().UTC().Format("20060102T150405Z") + ".tar.gz"}
	err := s.deps.Backup(r.Context(), archive)
	switch {
	case err == nil:
	case !archive.begun && (r.Context().Err() != nil || s.readiness().Stopping):
		writeError(w, http.StatusServiceUnavailable, err.Error())
	case !archive.begun:
		writeError(w, http.StatusInternalServerError, err.Error())
	default:
		s.log.Error("Backup broken off; what the client has of it is of no use", "client", r.RemoteAddr, "err", err)
		panic(http.ErrAbortHandler) // so that the client does not take it for whole
	}
}

// attachment begins an answer that is a file with the first byte of it; until then
// the answer may still be an error.
type attachment struct {
	w     http.ResponseWriter
	name  string
	stall time.Duration // how long the client may take nothing
	begun bool
}

// Write implements io.Writer.
func (a *attachment) Write(p []byte) (int, error) {
	if !a.begun {
		a.begun = true
		header := a.w.Header()
		header.Set("Content-Type", "application/gzip")
		header.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", a.name))
		header.Set("Cache-Control", "no-store")
		header.Set("X-Content-Type-Options", "nosniff")
	}
	// Without a bound, one client that stalls would hold up all backups, and the disk
	// space of its own.
	if err := http.NewResponseController(a.w).SetWriteDeadline(time.Now().Add(a.stall)); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return 0, err
	}
	return a.w.Write(p)
}
