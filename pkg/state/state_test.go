package state

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/sourcegraph/srcprom/pkg/config"
)

func statePath(t *testing.T) string {
	return filepath.Join(t.TempDir(), "srcprom", "state.db")
}

func mustOpen(t *testing.T, path string) *State {
	t.Helper()
	s, err := Open(path, Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func TestOpen_NewFileIsForItsOwnerOnly(t *testing.T) {
	path := statePath(t)
	mustOpen(t, path)

	for name, want := range map[string]fs.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		info, err := os.Stat(name)
		require.NoError(t, err)
		require.Equal(t, want, info.Mode().Perm(), name)
	}
}

func TestOpen_FileThatOthersCanReadIsRestricted(t *testing.T) {
	path := statePath(t)
	require.NoError(t, mustOpen(t, path).Close())
	require.NoError(t, os.Chmod(path, 0o664))

	mustOpen(t, path)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode().Perm())
}

func TestOpen_FileOfSomebodyElseThatAllCanReadFails(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("run by root, this test checks a file that belongs to somebody else")
		return
	}
	path := statePath(t)
	require.NoError(t, mustOpen(t, path).Close())
	require.NoError(t, os.Chmod(path, 0o666))
	openUpTo(t, filepath.Dir(path))

	err := asNobody(t, func() error { _, err := Open(path, Options{}); return err })
	require.ErrorContains(t, err, "from other users: operation not permitted; set its mode to 0600")
}

func TestOpen_FileHeldByAnotherProcessSaysSo(t *testing.T) {
	path := statePath(t)
	other := exec.Command(os.Args[0])
	other.Env = append(os.Environ(), holdVariable+"="+path)
	other.Stderr = os.Stderr
	stop, err := other.StdinPipe()
	require.NoError(t, err)
	said, err := other.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, other.Start())
	line, err := bufio.NewReader(said).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "open\n", line)

	_, err = Open(path, Options{LockTimeout: 10 * time.Millisecond})
	require.EqualError(t, err, `open the state file "`+path+`": it is locked by another process; stop that one or use another data directory`)

	require.NoError(t, stop.Close())
	require.NoError(t, other.Wait())
	mustOpen(t, path)
}

func TestOpen_NewerFormatNamesBothVersions(t *testing.T) {
	path := statePath(t)
	s := mustOpen(t, path)
	setFormat(t, s, "7")
	require.NoError(t, s.Close())

	_, err := Open(path, Options{})
	require.ErrorContains(t, err, "it has format version 7, this program knows up to 2; run a newer program")

	_, err = Open(path, Options{LockTimeout: 10 * time.Millisecond})
	require.ErrorContains(t, err, "format version 7", "the refused file must not stay locked")
}

func setFormat(t *testing.T, s *State, version string) {
	t.Helper()
	require.NoError(t, s.db.Update(func(tx *bbolt.Tx) error {
		meta := tx.Bucket([]byte(metaBucket))
		return errors.Join(meta.Put([]byte(formatKey), []byte(version)), meta.Put([]byte(formatSumKey), []byte(formatSum(version))))
	}))
}

func TestOpen_UnusableDirectorySaysWhatToDo(t *testing.T) {
	t.Run("not writable", func(t *testing.T) {
		dir := t.TempDir()
		require.NoError(t, os.Chmod(dir, 0o555))
		openUpTo(t, dir)
		err := asNobody(t, func() error { _, err := Open(filepath.Join(dir, "srcprom", "state.db"), Options{}); return err })
		require.ErrorIs(t, err, fs.ErrPermission)
		require.ErrorContains(t, err, `make the state directory "`+filepath.Join(dir, "srcprom")+`": permission denied; let user `)
	})
	t.Run("file not readable", func(t *testing.T) {
		path := statePath(t)
		require.NoError(t, mustOpen(t, path).Close())
		require.NoError(t, os.Chmod(path, 0o000))
		openUpTo(t, filepath.Dir(path))
		err := asNobody(t, func() error { _, err := Open(path, Options{}); return err })
		require.ErrorIs(t, err, fs.ErrPermission)
		require.ErrorContains(t, err, `open the state file "`+path+`": permission denied; let user `)
	})
	t.Run("a file", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "srcprom")
		require.NoError(t, os.WriteFile(file, nil, 0o600))
		_, err := Open(filepath.Join(file, "state.db"), Options{})
		require.ErrorContains(t, err, "it is a file; move it away or use another data directory")
	})
	t.Run("below a file", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "data")
		require.NoError(t, os.WriteFile(file, nil, 0o600))
		_, err := Open(filepath.Join(file, "srcprom", "state.db"), Options{})
		require.ErrorContains(t, err, "a part of the path is a file")
	})
	t.Run("the file is a directory", func(t *testing.T) {
		path := statePath(t)
		require.NoError(t, os.MkdirAll(path, 0o700))
		_, err := Open(path, Options{})
		require.ErrorContains(t, err, "it is a directory; move it away")
	})
	t.Run("missing", func(t *testing.T) {
		mustOpen(t, filepath.Join(t.TempDir(), "data", "deeper", "srcprom", "state.db"))
	})
}

// openUpTo lets everybody come to a directory below the test's own.
func openUpTo(t *testing.T, dir string) {
	t.Helper()
	for ; dir != filepath.Clean(os.TempDir()) && dir != "/"; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		require.NoError(t, err)
		require.NoError(t, os.Chmod(dir, info.Mode().Perm()|0o055))
	}
}

// asNobody calls f without the rights that root has on files.
func asNobody(t *testing.T, f func() error) error {
	t.Helper()
	if os.Geteuid() != 0 {
		return f()
	}
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		if err := syscall.Setfsuid(65534); err != nil {
			result <- err
			return
		}
		result <- f()
	}()
	return <-result
}

func bigAccepted() *config.Accepted {
	content := make([]byte, 100_000)
	for i := range content {
		content[i] = 'a' + byte(i%26)
	}
	return &config.Accepted{
		Version:   3,
		AppliedAt: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC),
		Documents: config.Documents{
			config.PrometheusDocument: {
				Name: config.PrometheusDocument, Content: string(content),
				Provenance: config.Provenance{Source: config.SourceFile, Path: "/etc/prometheus.yml", At: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)},
			},
		},
		Standing: map[string]string{"scrape_configs/a": "job_name: a\n", "scrape_configs/b": ""},
		LastRead: map[string]string{"/etc/prometheus.yml": "hash"},
	}
}

func TestAccepted_NewFileHasNone(t *testing.T) {
	accepted, err := mustOpen(t, statePath(t)).Accepted()
	require.NoError(t, err)
	require.Nil(t, accepted)
}

func TestAccepted_SurvivesClose(t *testing.T) {
	path := statePath(t)
	s := mustOpen(t, path)
	require.NoError(t, s.Accept(&Version{Accepted: config.Accepted{Version: 2}}))
	require.NoError(t, s.Accept(&Version{Accepted: *bigAccepted()}))
	require.NoError(t, s.Close())
	require.NoError(t, s.Close(), "twice")

	accepted, err := mustOpen(t, path).Accepted()
	require.NoError(t, err)
	require.Equal(t, bigAccepted(), accepted)
}

func TestAccepted_DamagedValueSaysNothingOfIt(t *testing.T) {
	for name, value := range map[string][]byte{
		"no checksum": []byte(`{"version": 1, "documents": {"prometheus": {"content": "hunter2"}}}`),
		"no JSON":     seal(acceptedPlace, []byte(`{"documents": {"prometheus": {"content": "hunter2"`)),
		"other shape": seal(acceptedPlace, []byte(`{"version": "hunter2"}`)),
	} {
		t.Run(name, func(t *testing.T) {
			s := mustOpen(t, statePath(t))
			require.NoError(t, s.db.Update(func(tx *bbolt.Tx) error {
				bucket, err := tx.CreateBucketIfNotExists([]byte(configBucket))
				return errors.Join(err, bucket.Put([]byte(acceptedKey), value))
			}))
			_, err := s.Accepted()
			require.ErrorIs(t, err, ErrDamaged)
			require.NotContains(t, err.Error(), "hunter2")
			require.Equal(t, 1, s.Damaged())
		})
	}
}

func TestState_UseAfterCloseFails(t *testing.T) {
	s := mustOpen(t, statePath(t))
	require.NoError(t, s.Close())

	_, err := s.Accepted()
	require.ErrorContains(t, err, "database not open")
	require.ErrorContains(t, s.Accept(&Version{Accepted: config.Accepted{}}), "database not open")
}

func TestState_UseAtOnce(t *testing.T) {
	s := mustOpen(t, statePath(t))
	const callers = 8
	results := make(chan error)
	for i := range callers {
		go func() {
			err := s.Accept(&Version{Accepted: config.Accepted{Version: uint64(i)}})
			_, readErr := s.Accepted()
			results <- errors.Join(err, readErr)
		}()
	}
	for range callers {
		require.NoError(t, <-results)
	}
}

func TestState_FullDiskFailsAndKeepsWhatWas(t *testing.T) {
	if !inOwnProcess(t) {
		return
	}
	path := statePath(t)
	s := mustOpen(t, path)
	require.NoError(t, s.Accept(&Version{Accepted: config.Accepted{Version: 1}}))
	defer limitFileSize(t, path)()

	big := bigAccepted()
	big.Documents["other"] = config.Document{Content: strings.Repeat("x", 2*allocSize)}
	err := s.Accept(&Version{Accepted: *big})
	require.ErrorContains(t, err, "keep the accepted configuration in the state file")

	accepted, err := s.Accepted()
	require.NoError(t, err)
	require.Equal(t, uint64(1), accepted.Version)
}

// aloneVariable is set in a process that runs a single test.
const aloneVariable = "STATE_TEST_ALONE"

// inOwnProcess runs the test in a process of its own, and is true there: what it
// limits would limit the log of the others too.
func inOwnProcess(t *testing.T) bool {
	t.Helper()
	if os.Getenv(aloneVariable) != "" {
		return true
	}
	alone := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	alone.Env = append(os.Environ(), aloneVariable+"=1")
	output, err := alone.CombinedOutput()
	require.NoError(t, err, "%s", output)
	require.Contains(t, string(output), "PASS")
	return false
}

// limitFileSize makes the file unable to grow, until it is lifted.
func limitFileSize(t *testing.T, path string) (lift func()) {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	var before syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before))
	limit := before
	limit.Cur = uint64(info.Size())
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit))
	return func() { require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before)) }
}
