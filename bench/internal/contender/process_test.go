package contender

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestCPUTime_OfANameWithParenthesesAndSpaces(t *testing.T) {
	used, err := cpuTime("42 (a b) c) S 1 42 42 0 -1 4194560 100 0 0 0 150 25 0 0 20 0 9 0 1 1 1 1")
	require.NoError(t, err)
	require.Equal(t, 1750*time.Millisecond, used)

	_, err = cpuTime("42 (short) S 1")
	require.Error(t, err)
}

func TestKilobytes_OfALineThatIsMissingIsAnError(t *testing.T) {
	const text = "00400000-7fff rw-p [rollup]\nRss:     1024 kB\nPss:  512 kB\n"
	rss, err := kilobytes(text, "Rss:")
	require.NoError(t, err)
	require.InDelta(t, 1<<20, rss, 0)

	_, err = kilobytes(text, "Swap:")
	require.ErrorContains(t, err, `no line "Swap:"`)
}

func TestRunning_ReadsMemoryAndCPUOfAProcess(t *testing.T) {
	self := &process{cmd: &exec.Cmd{Process: &os.Process{Pid: os.Getpid()}}}
	r := &Running{processes: []*process{self, self}}

	rss, pss, err := r.Memory()
	require.NoError(t, err)
	require.Greater(t, rss, 1e6)
	require.Greater(t, pss, 1e6)
	_, err = r.CPU()
	require.NoError(t, err)
}
