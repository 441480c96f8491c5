package e2e

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// docs/guarantees.md names tests and controls that exist, a test for each promise,
// and every test of a promise that is here.
func TestGuaranteesDocument_NamesWhatExists(t *testing.T) {
	root := filepath.Join("..", "..", "..")
	text, err := os.ReadFile(filepath.Join(root, "docs", "guarantees.md"))
	require.NoError(t, err)
	document := string(text)

	tests := declared(t, root, `_test\.go$`, `(?m)^func (Test\w+)\(t \*testing\.T\)`)
	for _, name := range regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(document, -1) {
		require.Contains(t, tests, name[1], "a test that docs/guarantees.md names")
	}
	for name := range tests {
		if strings.HasPrefix(name, "TestGuarantee_") {
			require.Contains(t, document, "`"+name+"`", "a test that docs/guarantees.md leaves out")
		}
	}

	controls := declared(t, filepath.Join(root, "bench", "controls"), `controls\.go$`, `name: "(G[\w-]+)"`)
	require.NotEmpty(t, controls)
	named := map[string]bool{}
	for _, name := range regexp.MustCompile("`(G\\d+-[\\w-]+)`").FindAllStringSubmatch(document, -1) {
		named[name[1]] = true
	}
	require.Equal(t, controls, named)

	promises := regexp.MustCompile(`(?m)^## (G\d+): `).FindAllStringSubmatchIndex(document, -1)
	require.Len(t, promises, 11)
	for i, at := range promises {
		require.Equal(t, fmt.Sprintf("G%d", i+1), document[at[2]:at[3]])
		section, _, _ := strings.Cut(document[at[1]:], "\n## ")
		require.Contains(t, section, "`Test", "a test of G%d", i+1)
		require.Contains(t, section, "- Not promised: ", "G%d", i+1)
	}
}

// docs/migrating-from-sourcegraph-prometheus.md names every test of what went wrong with
// the old image, and no other.
func TestMigrationDocument_NamesTheTestsOfWhatWentWrong(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "migrating-from-sourcegraph-prometheus.md"))
	require.NoError(t, err)
	named := map[string]bool{}
	for _, name := range regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(string(text), -1) {
		named[name[1]] = true
	}
	require.Equal(t, declared(t, ".", `_test\.go$`, `(?m)^func (Test(?:Incident|Found)_\w+)\(t \*testing\.T\)`), named)
}

// declared are the names that a pattern finds in files of a directory and below.
func declared(t *testing.T, dir, file, pattern string) map[string]bool {
	t.Helper()
	files, names := regexp.MustCompile(file), regexp.MustCompile(pattern)
	found := map[string]bool{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && strings.HasPrefix(d.Name(), ".") && len(d.Name()) > 2 {
			return fs.SkipDir
		}
		if !files.MatchString(path) {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, name := range names.FindAllSubmatch(text, -1) {
			found[string(name[1])] = true
		}
		return err
	}))
	return found
}
