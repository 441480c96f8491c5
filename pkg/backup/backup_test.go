package backup

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const blockID = "01JD0000000000000000000000"

// contents are those of a small server, on the disk.
func contents(t *testing.T) Contents {
	t.Helper()
	dir := t.TempDir()
	c := Contents{
		Manifest:    Manifest{Time: time.Date(2026, 11, 22, 16, 0, 0, 0, time.UTC), Version: "1.2.3", ConfigVersion: 7},
		Config:      map[string]string{"prometheus": "global: {}\n", "rules//etc/../a.yml": "groups: []\n", "templates/mail": "x"},
		StateFile:   filepath.Join(dir, "copy.db"),
		SnapshotDir: filepath.Join(dir, "snapshot"),
	}
	write(t, c.StateFile, "state")
	write(t, filepath.Join(c.SnapshotDir, blockID, "meta.json"), "{}")
	write(t, filepath.Join(c.SnapshotDir, blockID, "chunks", "000001"), strings.Repeat("chunk", 100_000))
	return c
}

func write(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o777))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

// archived is the archive of contents.
func archived(t *testing.T) []byte {
	t.Helper()
	var text bytes.Buffer
	require.NoError(t, Write(t.Context(), &text, contents(t)))
	return text.Bytes()
}

func saved(t *testing.T, text []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "backup.tar.gz")
	require.NoError(t, os.WriteFile(path, text, 0o600))
	return path
}

func TestRestore_MakesTheDataDirectory(t *testing.T) {
	file := saved(t, archived(t))
	manifest, err := Check(t.Context(), file)
	require.NoError(t, err)
	require.Equal(t, &Manifest{Format: 1, Time: time.Date(2026, 11, 22, 16, 0, 0, 0, time.UTC), Version: "1.2.3", ConfigVersion: 7}, manifest)

	dir := filepath.Join(t.TempDir(), "not", "there", "yet")
	restored, err := Restore(t.Context(), file, dir)
	require.NoError(t, err)
	require.Equal(t, manifest, restored)
	require.Equal(t, map[string]string{
		"srcprom/state.db":         "state",
		blockID + "/meta.json":     "{}",
		blockID + "/chunks/000001": strings.Repeat("chunk", 100_000),
	}, files(t, dir))
	info, err := os.Stat(filepath.Join(dir, "srcprom", "state.db"))
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode().Perm())
	info, err = os.Stat(filepath.Join(dir, "srcprom"))
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o700), info.Mode().Perm())
}

// files are all files below a directory, by their slashed paths.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(filepath.Join(dir, name))
		found[name] = string(text)
		return err
	})
	require.NoError(t, err)
	return found
}

func TestWrite_NamesDocumentsSoThatPeopleCanReadThem(t *testing.T) {
	var names []string
	for _, entry := range entries(t, archived(t)) {
		names = append(names, entry.header.Name)
	}
	require.Equal(t, []string{
		"manifest.json",
		"config/prometheus.yml", "config/rules/%2Fetc%2F%2E%2E%2Fa%2Eyml", "config/templates/mail",
		"srcprom/state.db", "tsdb/" + blockID + "/chunks/000001", "tsdb/" + blockID + "/meta.json",
		"SHA256SUMS",
	}, names)
}

func TestWrite_EveryDocumentIsWhateverItsNameIs(t *testing.T) {
	c := contents(t)
	c.Config = map[string]string{}
	names := []string{
		"prometheus", "rules/a.yml", `rules/a\b`, "rules/.", "rules/%2E", "rules/%", "rules/a%5Cb", "rules/./a.yml",
		"rules//a.yml", "rules/%2Fa%2Eyml", "rules/a/b", "rules/a%2Fb", "rules/a\nb", "rules/a  b", "rules/\xff", "rules/ä.yml",
	}
	for _, name := range names {
		c.Config[name] = "# " + name
	}
	var text bytes.Buffer
	require.NoError(t, Write(t.Context(), &text, c))
	_, err := Check(t.Context(), saved(t, text.Bytes()))
	require.NoError(t, err)
	found := map[string]bool{}
	for _, e := range entries(t, text.Bytes()) {
		if strings.HasPrefix(e.header.Name, "config/") {
			found[e.text] = true
		}
	}
	require.Len(t, found, len(names))
}

func TestRestore_RefusesADirectoryThatHasData(t *testing.T) {
	file, dir := saved(t, archived(t)), t.TempDir()
	write(t, filepath.Join(dir, "wal", "00000000"), "samples")
	_, err := Restore(t.Context(), file, dir)
	require.ErrorContains(t, err, `there is data in the directory already, "wal"`)
	require.Equal(t, map[string]string{"wal/00000000": "samples"}, files(t, dir))
}

func TestRestore_TakesAnEmptyVolumeAndWhatAKilledRestoreLeft(t *testing.T) {
	file, dir := saved(t, archived(t)), t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "lost+found"), 0o700))
	write(t, filepath.Join(dir, stageName, "srcprom", "state.db"), "half")
	_, err := Restore(t.Context(), file, dir)
	require.NoError(t, err)
	require.Len(t, files(t, dir), 3)
	require.NoDirExists(t, filepath.Join(dir, stageName))
}

func TestRestore_ArchiveCutAnywhereLeavesNothing(t *testing.T) {
	text := archived(t)
	for _, size := range []int{0, 1, 10, len(text) / 4, len(text) / 2, len(text) - 9, len(text) - 8, len(text) - 1} {
		refused(t, text[:size], "it ends too early")
	}
}

// refused expects that an archive is not restored, and that nothing is left of it.
func refused(t *testing.T, text []byte, reason string) {
	t.Helper()
	file, parent := saved(t, text), t.TempDir()
	_, err := Restore(t.Context(), file, filepath.Join(parent, "made", "data"))
	require.ErrorIs(t, err, ErrDamaged)
	require.ErrorContains(t, err, reason)
	require.NoDirExists(t, filepath.Join(parent, "made"))
	_, err = Check(t.Context(), file)
	require.ErrorIs(t, err, ErrDamaged)
}

func TestRestore_FlippedBitsAreFound(t *testing.T) {
	text := archived(t)
	for at := 0; at < len(text); at += max(1, len(text)/200) {
		flipped := bytes.Clone(text)
		flipped[at] ^= 0x10
		if _, err := Check(t.Context(), saved(t, flipped)); err == nil {
			// The header of gzip has a few bytes that nobody reads.
			require.Less(t, at, 10, "byte %d", at)
		}
	}
}

// entry is one file of an archive, which a test may change.
type entry struct {
	header tar.Header
	text   string
}

func entries(t *testing.T, text []byte) []entry {
	t.Helper()
	compressed, err := gzip.NewReader(bytes.NewReader(text))
	require.NoError(t, err)
	r := tar.NewReader(compressed)
	var all []entry
	for {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(t, err)
		content, err := io.ReadAll(r)
		require.NoError(t, err)
		all = append(all, entry{*header, string(content)})
	}
}

// packed makes an archive of entries, whatever they are.
func packed(t *testing.T, all []entry) []byte {
	t.Helper()
	var text bytes.Buffer
	compressed := gzip.NewWriter(&text)
	w := tar.NewWriter(compressed)
	for _, e := range all {
		e.header.Size = int64(len(e.text))
		require.NoError(t, w.WriteHeader(&e.header))
		_, err := io.WriteString(w, e.text)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	require.NoError(t, compressed.Close())
	return text.Bytes()
}

func TestRestore_RefusesWhatIsNotAsItWasWritten(t *testing.T) {
	whole := entries(t, archived(t))
	last := len(whole) - 1
	insert := func(e entry) []entry {
		sums := whole[last]
		sums.text += fmt.Sprintf("%x  %s\n", sha256.Sum256([]byte(e.text)), e.header.Name)
		return append(append(append([]entry{}, whole[:last]...), e), sums)
	}
	regular := func(name string) entry { return entry{tar.Header{Name: name, Typeflag: tar.TypeReg}, "x"} }
	edited := func(i int, text string) []entry {
		all := append([]entry{}, whole...)
		all[i].text = text
		return all
	}
	for name, tc := range map[string]struct {
		all    []entry
		reason string
	}{
		"up and away":            {insert(regular("tsdb/../../evil")), `"tsdb/../../evil" does not belong there`},
		"an absolute path":       {insert(regular("/etc/evil")), `"/etc/evil" does not belong there`},
		"beside the blocks":      {insert(regular("tsdb/wal/00000000")), `"tsdb/wal/00000000" does not belong there`},
		"a backslash":            {insert(regular("tsdb/" + blockID + `/..\evil`)), "does not belong there"},
		"beside the state":       {insert(regular("srcprom/other")), `"srcprom/other" does not belong there`},
		"a symbolic link":        {insert(entry{tar.Header{Name: "tsdb/" + blockID + "/index", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}, ""}), "is no regular file"},
		"twice":                  {insert(regular("srcprom/state.db")), `"srcprom/state.db" is in it twice`},
		"after the sums":         {append(append([]entry{}, whole...), regular("config/x")), `"config/x" comes after SHA256SUMS`},
		"no manifest":            {whole[1:], "manifest.json is not its first file"},
		"a manifest of rubbish":  {edited(0, "rubbish"), "read manifest.json"},
		"a manifest of nothing":  {edited(0, "{}"), "format version 0"},
		"another state":          {edited(4, "STATE"), `the checksum of "srcprom/state.db" does not match`},
		"no state":               {append(append([]entry{}, whole[:4]...), whole[5:]...), `"srcprom/state.db" is missing`},
		"no sums":                {whole[:last], "it ends too early"},
		"a file without its sum": {edited(last, strings.Join(strings.SplitAfter(whole[last].text, "\n")[1:], "")), "has no checksum"},
	} {
		t.Run(name, func(t *testing.T) { refused(t, packed(t, tc.all), tc.reason) })
	}
}

func TestRestore_NewerFormatIsNamed(t *testing.T) {
	all := entries(t, archived(t))
	all[0].text = `{"format":2,"version":"9.0.0"}`
	_, err := Restore(t.Context(), saved(t, packed(t, all)), filepath.Join(t.TempDir(), "data"))
	require.ErrorContains(t, err, `it has format version 2, this program knows up to 1; use the program that made it, version "9.0.0", or a newer one`)
	require.NotErrorIs(t, err, ErrDamaged)
}

func TestRestore_FileThatIsNotThereIsNamed(t *testing.T) {
	_, err := Restore(t.Context(), "missing.tar.gz", t.TempDir())
	require.ErrorContains(t, err, `restore the backup "missing.tar.gz"`)
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestRestore_EndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("interrupt received")
	cancel(reason)
	dir := filepath.Join(t.TempDir(), "data")
	_, err := Restore(ctx, saved(t, archived(t)), dir)
	require.ErrorIs(t, err, reason)
	require.NotErrorIs(t, err, ErrDamaged)
	require.NoDirExists(t, dir)
}

func TestWrite_EndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("the client has gone")
	cancel(reason)
	require.ErrorIs(t, Write(ctx, io.Discard, contents(t)), reason)
}

func TestWrite_MissingFileIsAnError(t *testing.T) {
	c := contents(t)
	c.StateFile += "x"
	require.ErrorIs(t, Write(t.Context(), io.Discard, c), fs.ErrNotExist)
}

func FuzzNames(f *testing.F) {
	f.Add([]byte("manifest.json"), []byte(`{"format":1}`))
	f.Add([]byte("tsdb/"+blockID+"/../x"), []byte("x"))
	f.Fuzz(func(t *testing.T, name, text []byte) {
		if isKnown(string(name)) && isData(string(name)) {
			require.True(t, filepath.IsLocal(inDataDir(string(name))), "%q", name)
		}
		_, _ = readManifest(bytes.NewReader(text)) // it must not panic
	})
}

// The archive was whole when it was checked; whatever happens then leaves nothing.
func TestRestore_WhatFailsHalfwayIsTakenBack(t *testing.T) {
	text, dir := archived(t), t.TempDir()
	_, err := fill(t.Context(), saved(t, text[:len(text)-1]), dir)
	require.ErrorIs(t, err, ErrDamaged)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}
