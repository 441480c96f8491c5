package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// MaxDocumentBytes bounds the size of one document, and so of one file.
const MaxDocumentBytes = 64 << 20

// readText reads a file that has to be a document. The error names the file.
func readText(path string) (string, error) {
	content, err := ReadFile(path, MaxDocumentBytes)
	if err != nil {
		return "", err
	}
	if err := checkText(content); err != nil {
		return "", fmt.Errorf("read %q: %w", path, err)
	}
	return content, nil
}

// ReadFile reads a regular file of at most so many bytes, through symbolic links. The
// error names the file.
func ReadFile(path string, most int64) (string, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("read %q: no such file", path)
	case err != nil:
		return "", fmt.Errorf("read %q: %w", path, cause(err))
	case info.IsDir():
		return "", fmt.Errorf("read %q: it is a directory, not a file", path)
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("read %q: it is not a regular file (%s)", path, info.Mode().Type())
	}
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("read %q: %w", path, cause(err))
	}
	defer f.Close()
	var text strings.Builder
	text.Grow(int(min(info.Size(), most)))
	n, err := io.Copy(&text, io.LimitReader(f, most+1))
	if err != nil {
		return "", fmt.Errorf("read %q: %w", path, cause(err))
	}
	if n > most {
		return "", fmt.Errorf("read %q: it has %d bytes, more than the %d that a document may have", path, max(info.Size(), n), most)
	}
	return text.String(), nil
}

// cause drops the operation and the path of an error that is about to get better ones.
func cause(err error) error {
	if wrapped := new(fs.PathError); errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

// checkText tells why a text cannot be a document.
func checkText(text string) error {
	switch {
	case len(text) > MaxDocumentBytes:
		return fmt.Errorf("it has %d bytes, more than the %d that a document may have", len(text), MaxDocumentBytes)
	case strings.HasPrefix(text, "\xff\xfe") || strings.HasPrefix(text, "\xfe\xff"):
		return errors.New("it is UTF-16; save it as UTF-8")
	}
	for _, unwanted := range []struct {
		at  int
		why string
	}{
		{strings.IndexByte(text, 0), "a NUL byte"},
		{invalidUTF8(text), "invalid UTF-8"},
	} {
		if unwanted.at >= 0 {
			return fmt.Errorf("line %d has %s; it does not look like a text", 1+strings.Count(text[:unwanted.at], "\n"), unwanted.why)
		}
	}
	return nil
}

// invalidUTF8 is the position of the first byte that is not UTF-8, else -1.
func invalidUTF8(text string) int {
	if utf8.ValidString(text) {
		return -1
	}
	for i, r := range text {
		if _, size := utf8.DecodeRuneInString(text[i:]); r == utf8.RuneError && size == 1 {
			return i
		}
	}
	return -1
}

// documentName is the name of a globbed file: its path relative to dir when it
// is below that, else its absolute path.
func documentName(prefix, dir, path string) string {
	if rel, err := filepath.Rel(dir, path); err == nil && filepath.IsLocal(rel) {
		return prefix + filepath.ToSlash(rel)
	}
	return prefix + filepath.ToSlash(path)
}
