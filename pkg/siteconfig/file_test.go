package siteconfig

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/config"
)

// watching runs a subscriber of a file, which is looked at every so often apart from
// being watched.
func watching(t *testing.T, path string, every time.Duration) *harness {
	t.Helper()
	h := newHarness(t, newFakeServer(), func(o *Options) { o.File, o.PollInterval = path, every })
	t.Cleanup(h.run())
	return h
}

func (h *harness) awaitSite(want string) {
	h.t.Helper()
	require.Eventually(h.t, func() bool { return h.server.site() == want }, 30*time.Second, time.Millisecond, "run %q", want)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

// seldom is longer than a test lasts: what is seen earlier was watched.
const seldom = 1000 * time.Hour

func TestFile_ChangesAreSeenAtOnceHoweverTheyAreMade(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "site.json")
	write(t, path, "first")
	h := watching(t, path, seldom)
	h.awaitSite("first")

	write(t, path, "written in place")
	h.awaitSite("written in place")

	write(t, filepath.Join(dir, ".site.json.swp"), "renamed over it")
	require.NoError(t, os.Rename(filepath.Join(dir, ".site.json.swp"), path))
	h.awaitSite("renamed over it")

	require.NoError(t, os.Rename(path, path+"~"))
	write(t, path, "moved away and written anew")
	h.awaitSite("moved away and written anew")
}

func TestFile_KubernetesSwapsALink(t *testing.T) {
	dir := t.TempDir()
	publish := func(version, text string) {
		require.NoError(t, os.Mkdir(filepath.Join(dir, version), 0o700))
		write(t, filepath.Join(dir, version, "site.json"), text)
		require.NoError(t, os.Symlink(version, filepath.Join(dir, "..data_tmp")))
		require.NoError(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
	}
	publish("..1", "first")
	path := filepath.Join(dir, "site.json")
	require.NoError(t, os.Symlink(filepath.Join("..data", "site.json"), path))
	h := watching(t, path, seldom)
	h.awaitSite("first")
	publish("..2", "second")
	h.awaitSite("second")
}

func TestFile_ThatIsMissingAtFirstIsSeenWhenItComes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "mounted", "later")
	path := filepath.Join(dir, "site.json")
	h := watching(t, path, 20*time.Millisecond)
	require.Eventually(t, func() bool { return h.fetches(outcomeFailed) > 2 }, 30*time.Second, time.Millisecond, "look for the file")
	require.Contains(t, h.log.String(), "no such file")
	require.Contains(t, h.log.String(), "cannot be watched")
	require.Contains(t, h.Detail()[0], "never synced")
	require.NoError(t, os.MkdirAll(dir, 0o700))
	write(t, path, "come")
	h.awaitSite("come")

	require.NoError(t, os.RemoveAll(dir))
	require.Eventually(t, func() bool { return h.status.view().trouble != "" }, 30*time.Second, time.Millisecond, "miss the file")
	require.Equal(t, "come", h.server.site())
	require.NoError(t, os.MkdirAll(dir, 0o700))
	write(t, path, "back")
	h.awaitSite("back")
}

func TestFile_ThatIsBrokenOrEmptyChangesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "site.json")
	write(t, path, "good")
	h := watching(t, path, seldom)
	h.awaitSite("good")
	write(t, path, "unreadable")
	require.Eventually(t, func() bool { return h.descriptions() != nil }, 30*time.Second, time.Millisecond, "tell of it")
	write(t, path, "")
	require.Eventually(t, func() bool { return h.fetches(outcomeNoNews) > 0 }, 30*time.Second, time.Millisecond, "see it empty")
	require.Equal(t, "good", h.server.site())
	write(t, path, "good again")
	h.awaitSite("good again")
	require.Nil(t, h.descriptions())
}

func TestReadFile_OnlyWhatCanBeASiteConfiguration(t *testing.T) {
	dir := t.TempDir()
	_, err := config.ReadFile(dir, maxAnswer)
	require.EqualError(t, err, `read "`+dir+`": it is a directory, not a file`)

	fifo := filepath.Join(dir, "fifo")
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	_, err = config.ReadFile(fifo, maxAnswer) // without waiting for a writer
	require.EqualError(t, err, `read "`+fifo+`": it is not a regular file (p---------)`)

	large := filepath.Join(dir, "large")
	write(t, large, "")
	require.NoError(t, os.Truncate(large, maxAnswer+1))
	_, err = config.ReadFile(large, maxAnswer)
	require.EqualError(t, err, `read "`+large+`": it has 94371841 bytes, more than the 94371840 that a document may have`)
	require.NoError(t, os.Truncate(large, maxAnswer))
	text, err := config.ReadFile(large, maxAnswer)
	require.NoError(t, err)
	require.Len(t, text, maxAnswer)

	_, err = config.ReadFile(filepath.Join(large, "below"), maxAnswer)
	require.EqualError(t, err, `read "`+large+`/below": not a directory`)
}
