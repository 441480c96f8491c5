package backup

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/oklog/ulid/v2"
)

// maxSums bounds the file of checksums, which is held in memory, in bytes.
const maxSums = 256 << 20

// Check reads an archive to its end. It returns nil only if the archive is whole,
// every checksum matches, and nothing is in it that should not be.
func Check(ctx context.Context, file string) (*Manifest, error) {
	manifest, err := read(ctx, file, nil)
	if err != nil {
		return nil, fmt.Errorf("check the backup %q: %w", file, err)
	}
	return manifest, nil
}

// read reads an archive. take is called for each file in it that is more than a
// description, and may read it; nil takes none.
func read(ctx context.Context, file string, take func(name string, r io.Reader) error) (*Manifest, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, withoutPath(err)
	}
	defer f.Close()
	compressed, err := gzip.NewReader(&untilDone{ctx, f})
	if err != nil {
		return nil, readError(err)
	}
	r := &reader{tar: tar.NewReader(compressed), take: take, sums: map[string]string{}}
	if err := r.read(); err != nil {
		return nil, err
	}
	// What follows the last file has a checksum of the whole in it.
	if _, err := io.Copy(io.Discard, compressed); err != nil {
		return nil, readError(err)
	}
	return r.manifest, nil
}

// readError tells errors of the disk from what is wrong with the archive.
func readError(err error) error {
	switch {
	case errors.As(err, new(*fs.PathError)):
		return withoutPath(err)
	case errors.As(err, new(interrupted)):
		return err
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return damaged("it ends too early")
	}
	return damaged("%w", err)
}

// withoutPath drops the path, which the caller names.
func withoutPath(err error) error {
	if wrapped, ok := errors.AsType[*fs.PathError](err); ok {
		return wrapped.Err
	}
	return err
}

// reader is an archive that is being read.
type reader struct {
	tar      *tar.Reader
	take     func(string, io.Reader) error
	manifest *Manifest
	sums     map[string]string // of what has been read, by name
	listed   bool              // the file of checksums has been read
}

func (r *reader) read() error {
	for {
		header, err := r.tar.Next()
		switch {
		case errors.Is(err, io.EOF):
			return r.whole()
		case err != nil:
			return readError(err)
		}
		if err := r.file(header); err != nil {
			return err
		}
	}
}

func (r *reader) whole() error {
	if r.manifest == nil || !r.listed {
		return damaged("it ends too early")
	}
	if r.sums[stateName] == "" {
		return damaged("there is no %s in it", stateName)
	}
	return nil
}

func (r *reader) file(header *tar.Header) error {
	name := header.Name
	first := r.manifest == nil
	switch {
	case first != (name == manifestName):
		return damaged("%s is not its first file", manifestName)
	case r.listed:
		return damaged("%q comes after %s", name, sumsName)
	case header.Typeflag != tar.TypeReg:
		return damaged("%q is no regular file", name)
	case r.sums[name] != "":
		return damaged("%q is in it twice", name)
	case name == sumsName:
		return r.compare()
	case !isKnown(name):
		return damaged("%q does not belong there", name)
	}
	sum := sha256.New()
	if err := r.content(name, io.TeeReader(&source{r: r.tar}, sum)); err != nil {
		return err
	}
	r.sums[name] = hex.EncodeToString(sum.Sum(nil))
	return nil
}

// content hands a file over, and reads what is left of it.
func (r *reader) content(name string, content io.Reader) error {
	switch {
	case name == manifestName:
		manifest, err := readManifest(content)
		if err != nil {
			return err
		}
		r.manifest = manifest
	case r.take != nil && isData(name):
		if err := r.take(name, content); err != nil {
			return err
		}
	}
	_, err := io.Copy(io.Discard, content)
	return err
}

// source marks what cannot be read as damage, so that it is not taken for an error
// of what is written to.
type source struct{ r io.Reader }

// Read implements io.Reader.
func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = readError(err)
	}
	return n, err
}

// isKnown says whether an archive may have a file of this name. It never leads out
// of the directory that it is written to.
func isKnown(name string) bool {
	switch {
	case !fs.ValidPath(name):
		return false
	case name == manifestName || strings.HasPrefix(name, configDir+"/"):
		return true
	}
	return isData(name)
}

// isData says whether a file belongs into a data directory.
func isData(name string) bool {
	if name == stateName {
		return true
	}
	block, isBlock := strings.CutPrefix(name, tsdbDir+"/")
	id, _, inBlock := strings.Cut(block, "/")
	_, err := ulid.ParseStrict(id)
	return isBlock && inBlock && err == nil && !strings.Contains(name, `\`)
}

// compare compares the checksums of all that was read with those in the archive.
func (r *reader) compare() error {
	r.listed = true
	text, err := io.ReadAll(io.LimitReader(&source{r: r.tar}, maxSums))
	if err != nil {
		return err
	}
	listed := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		sum, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		switch {
		case !ok || r.sums[name] == "":
			return damaged("%q is missing", name)
		case r.sums[name] != sum:
			return damaged("the checksum of %q does not match", name)
		}
		listed[name] = true
	}
	for name := range r.sums {
		if !listed[name] {
			return damaged("%q has no checksum", name)
		}
	}
	return nil
}
