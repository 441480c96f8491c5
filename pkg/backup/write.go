package backup

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
)

// Contents are what an archive is made of.
type Contents struct {
	Manifest Manifest
	// Config are the configuration documents, by their names.
	Config map[string]string
	// StateFile is the path of a copy of the state file.
	StateFile string
	// SnapshotDir is the path of a snapshot of the database: a directory of blocks.
	SnapshotDir string
}

// Write writes an archive. It reads files as it goes: they must not change. When
// ctx is done it ends soon, and what has been written is no whole archive.
func Write(ctx context.Context, w io.Writer, c Contents) error {
	// The blocks are most of it, and hardly get smaller by more effort.
	compressed, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
	if err != nil {
		return err
	}
	a := &archive{ctx: ctx, tar: tar.NewWriter(compressed), contents: c}
	if err := a.write(); err != nil {
		return fmt.Errorf("write the backup: %w", err)
	}
	if err := compressed.Close(); err != nil {
		return fmt.Errorf("write the backup: %w", err)
	}
	return nil
}

// archive is one that is being written.
type archive struct {
	ctx      context.Context
	tar      *tar.Writer
	contents Contents
	sums     bytes.Buffer
}

func (a *archive) write() error {
	for _, step := range []func() error{a.addManifest, a.addConfig, a.addState, a.addSnapshot, a.addSums, a.tar.Close} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (a *archive) addManifest() error {
	manifest := a.contents.Manifest
	manifest.Format = formatVersion
	text, err := json.MarshalIndent(manifest, "", "  ")
	if err != nil {
		return err
	}
	return a.addText(manifestName, append(text, '\n'))
}

func (a *archive) addConfig() error {
	for _, name := range slices.Sorted(maps.Keys(a.contents.Config)) {
		if err := a.addText(path.Join(configDir, configFile(name)), []byte(a.contents.Config[name])); err != nil {
			return err
		}
	}
	return nil
}

// configFile is the name of the file for a document. The two main documents get
// the ending that their files have; a name that leads elsewhere, or would be hard to
// tell from others, is written so that it does not.
func configFile(document string) string {
	if !strings.Contains(document, "/") {
		return document + ".yml"
	}
	if fs.ValidPath(document) && !strings.ContainsAny(document, `%\`) && !strings.ContainsFunc(document, unicode.IsControl) {
		return document
	}
	kind, name, _ := strings.Cut(document, "/")
	return kind + "/" + strings.ReplaceAll(url.PathEscape(name), ".", "%2E")
}

func (a *archive) addState() error { return a.addFile(stateName, a.contents.StateFile) }

func (a *archive) addSnapshot() error {
	dir := a.contents.SnapshotDir
	return filepath.WalkDir(dir, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, file)
		if err != nil {
			return err
		}
		return a.addFile(path.Join(tsdbDir, filepath.ToSlash(rel)), file)
	})
}

func (a *archive) addSums() error {
	return a.add(sumsName, int64(a.sums.Len()), bytes.NewReader(a.sums.Bytes()), io.Discard)
}

func (a *archive) addFile(name, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return a.addSummed(name, info.Size(), f)
}

func (a *archive) addText(name string, text []byte) error {
	return a.addSummed(name, int64(len(text)), bytes.NewReader(text))
}

func (a *archive) addSummed(name string, size int64, r io.Reader) error {
	sum := sha256.New()
	if err := a.add(name, size, r, sum); err != nil {
		return err
	}
	fmt.Fprintf(&a.sums, "%s  %s\n", hex.EncodeToString(sum.Sum(nil)), name)
	return nil
}

func (a *archive) add(name string, size int64, r io.Reader, sum io.Writer) error {
	err := a.tar.WriteHeader(&tar.Header{
		Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600, ModTime: a.contents.Manifest.Time,
	})
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.MultiWriter(a.tar, sum), &untilDone{a.ctx, r}); err != nil {
		return fmt.Errorf("add %q: %w", name, err)
	}
	return nil
}

// untilDone reads until its context is done.
type untilDone struct {
	ctx context.Context
	r   io.Reader
}

// Read implements io.Reader.
func (u *untilDone) Read(p []byte) (int, error) {
	if u.ctx.Err() != nil {
		return 0, interrupted{context.Cause(u.ctx)}
	}
	return u.r.Read(p)
}

// interrupted says that a context was done.
type interrupted struct{ cause error }

// Error implements error.
func (i interrupted) Error() string { return "interrupted: " + i.cause.Error() }

// Unwrap returns why the context was done.
func (i interrupted) Unwrap() error { return i.cause }
