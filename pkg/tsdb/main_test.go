package tsdb

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/prometheus/prometheus/tsdb/fileutil"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// lockFileEnv makes the test program lock a file until its standard input ends.
const lockFileEnv = "TSDB_TEST_LOCK_FILE"

func TestMain(m *testing.M) {
	if path := os.Getenv(lockFileEnv); path != "" {
		holdLock(path)
		return
	}
	goleak.VerifyTestMain(m)
}

func holdLock(path string) {
	lock, _, err := fileutil.Flock(path)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("locked")
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	_ = lock.Release()
}

// lockInOtherProcess returns the id of the process that holds the lock.
func lockInOtherProcess(t *testing.T, path string) int {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), lockFileEnv+"="+path)
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		require.NoError(t, stdin.Close())
		require.NoError(t, cmd.Wait())
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "locked\n", line)
	return cmd.Process.Pid
}
