package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"path/filepath"
)

// Checksum tells whether any file of the configuration has changed: it covers
// the content of prometheus.yml and alertmanager.yml, and of all files that the
// globs in the running documents match. Symbolic links are followed, so that
// an exchanged Kubernetes ConfigMap is seen. It fails when one of the two files
// cannot be read, for example while it is being replaced; try again later.
func Checksum(paths Paths, running Documents) (string, error) {
	paths, err := paths.Absolute()
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	for _, path := range []string{paths.Prometheus, paths.Alertmanager} {
		if path == "" {
			continue
		}
		content, err := ReadFile(path, MaxDocumentBytes)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(sum, "%q %d\n", path, len(content))
		_, _ = io.WriteString(sum, content) // a hash never fails
	}
	for _, g := range globsOf(running, paths) {
		found, err := filepath.Glob(g.pattern)
		if err != nil {
			return "", fmt.Errorf("match the pattern %q of %s: %w", g.pattern, g.setting, err)
		}
		for _, path := range found {
			content, err := ReadFile(path, MaxDocumentBytes)
			if err != nil {
				content = err.Error() // one bad file hides no change of another
			}
			fmt.Fprintf(sum, "%q %q %d\n", g.setting, path, len(content))
			_, _ = io.WriteString(sum, content) // a hash never fails
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
