package main

import (
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/srcpromtest/proctest"
)

func TestProcess_BackupAndRestore(t *testing.T) {
	address := proctest.FreeAddress(t)
	url := "http://" + address
	server := launch(t, nil, "--web.listen-address="+address, "--web.enable-admin-api")
	server.awaitReady(t, url)
	resp, err := http.Post(url+"/alertmanager/api/v2/silences", "application/json", strings.NewReader(`{
		"matchers": [{"name": "a", "value": "b", "isRegex": false}], "createdBy": "me", "comment": "shh",
		"startsAt": "2026-01-01T00:00:00Z", "endsAt": "2126-01-01T00:00:00Z"}`))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode)

	dir := t.TempDir()
	file, data := filepath.Join(dir, "backup.tar.gz"), filepath.Join(dir, "data")
	require.NoError(t, os.WriteFile(file, []byte("an older one"), 0o644))
	backup := launch(t, nil, "backup", "--url="+url, "--output="+file)
	require.Equal(t, 0, backup.exit(t), &backup.stderr)
	require.Regexp(t, `backup\.tar\.gz: backup of 20\S+Z, configuration version 1, made by version \S*; it holds secrets\n$`, backup.stdout.String())
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode().Perm())
	require.NoError(t, server.cmd.Process.Signal(syscall.SIGTERM))
	require.Equal(t, 0, server.exit(t), &server.stderr)

	restore := launch(t, nil, "restore", "--storage.tsdb.path="+data, file)
	require.Equal(t, 0, restore.exit(t), &restore.stderr)
	require.Contains(t, restore.stdout.String(), data+": restored from the backup of 20")
	again := launch(t, nil, "restore", "--storage.tsdb.path="+data, file)
	require.Equal(t, 1, again.exit(t))
	require.Contains(t, again.stderr.String(), "there is data in the directory already")

	second := launch(t, nil, "--web.listen-address="+address, "--storage.tsdb.path="+data)
	second.awaitReady(t, url)
	require.Contains(t, get(t, url+"/alertmanager/api/v2/silences"), `"comment":"shh"`)

	refused := launch(t, nil, "backup", "--url="+url, "--output="+file)
	require.Equal(t, 1, refused.exit(t))
	require.Equal(t, buildName+": back up: 403 Forbidden: admin API is not enabled: start with --web.enable-admin-api\n", refused.stderr.String())
	left, err := filepath.Glob(filepath.Join(dir, ".*"))
	require.NoError(t, err)
	require.Empty(t, left, "of the backup that failed")
	require.Equal(t, info.Size(), size(t, file), "what was there before stays")
}

func size(t *testing.T, file string) int64 {
	t.Helper()
	info, err := os.Stat(file)
	require.NoError(t, err)
	return info.Size()
}

func TestProcess_BackupUsageErrors(t *testing.T) {
	for args, want := range map[string]string{
		"backup":  "required flag(s) '--output' not provided",
		"restore": "required argument 'archive' not provided",
	} {
		p := launch(t, nil, args)
		require.Equal(t, 2, p.exit(t), args)
		require.Contains(t, p.stderr.String(), want)
	}
	p := launch(t, nil, "restore", "missing.tar.gz")
	require.Equal(t, 1, p.exit(t))
	require.Equal(t, buildName+": restore the backup \"missing.tar.gz\" to \"data/\": no such file or directory\n", p.stderr.String())
}
