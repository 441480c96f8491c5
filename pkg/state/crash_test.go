package state

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// model is what a state must hold.
type model struct {
	records map[place]string
	history []string // the newest first
	version uint64
}

func (m model) clone() model {
	c := m
	c.records = maps.Clone(m.records)
	return c
}

func (m model) requireIn(t *testing.T, s *State) {
	t.Helper()
	got := contentOf(t, s)
	require.Equal(t, m.records, got.records)
	require.True(t, slices.Equal(m.history, got.history))
	require.Equal(t, m.version, got.accepted)
}

// player does random things to a state and to a model of it.
type player struct {
	*rand.Rand
	path   string
	s      *State
	disk   disk
	now    model // with what is queued
	onDisk model
}

func (p *player) open(t *testing.T) {
	t.Helper()
	var err error
	p.s, err = Open(p.path, Options{BeforeCommit: p.disk.beforeCommit})
	require.NoError(t, err)
	require.Empty(t, p.s.SetAside(), "a file that was written well is not damaged")
}

func (p *player) step(t *testing.T) {
	at := place{[]Bucket{Silences, Alerts, Intents}[p.IntN(3)], fmt.Sprint(p.IntN(60))}
	switch n := p.IntN(100); {
	case n < 40:
		value := strings.Repeat(fmt.Sprint(p.IntN(10)), p.IntN(1500))
		p.s.Put(at.bucket, at.key, []byte(value))
		p.now.records[at] = value
	case n < 60:
		p.s.Delete(at.bucket, at.key)
		delete(p.now.records, at)
	case n < 80:
		value := fmt.Sprint(p.Uint64())
		p.s.AddHistory([]byte(value))
		p.now.history = append([]string{value}, p.now.history...)
	case n < 93:
		p.disk.fails.Store(p.IntN(4) == 0)
		if err := p.s.Flush(t.Context()); err != nil {
			require.ErrorIs(t, err, errDisk)
			return
		}
		accepted := p.onDisk.version
		p.onDisk = p.now.clone()
		p.onDisk.version = accepted
	case n < 96:
		p.disk.fails.Store(p.IntN(4) == 0)
		version := p.onDisk.version + 1
		if err := p.s.Accept(&Version{Accepted: *smallAccepted(version)}); err != nil {
			require.ErrorIs(t, err, errDisk)
			return
		}
		p.now.version, p.onDisk.version = version, version
	case n < 98:
		p.crash(t)
	default:
		p.onDisk.requireIn(t, p.copied(t))
	}
}

// copied opens a copy of the file as it is now.
func (p *player) copied(t *testing.T) *State {
	t.Helper()
	data, err := os.ReadFile(p.path)
	require.NoError(t, err)
	found, err := inspect(data)
	require.NoError(t, err)
	require.Equal(t, p.s.historySize, found.historySize)
	path := filepath.Join(t.TempDir(), "state.db")
	require.NoError(t, os.WriteFile(path, data, 0o600))
	return mustOpen(t, path)
}

// crash goes on with the file as it is, and without what was queued.
func (p *player) crash(t *testing.T) {
	t.Helper()
	require.NoError(t, p.s.Close())
	p.open(t)
	p.now = p.onDisk.clone()
	p.onDisk.requireIn(t, p.s)
}

func TestState_HoldsWhatItTook(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	p := &player{Rand: rand.New(rand.NewPCG(seed, 0)), path: statePath(t)}
	p.now, p.onDisk = model{records: map[place]string{}}, model{records: map[place]string{}}
	p.open(t)
	for range 4000 {
		p.step(t)
	}
	p.crash(t)
	require.NoError(t, p.s.Close())
}

func TestState_FullDiskAtAnyMomentDamagesNothing(t *testing.T) {
	if !inOwnProcess(t) {
		return
	}
	path := statePath(t)
	s := mustOpen(t, path)
	want := model{records: map[place]string{}}
	failed := 0
	for i := range 400 {
		lift := limitFileSize(t, path)
		at := place{Silences, fmt.Sprint(i)}
		s.Put(at.bucket, at.key, make([]byte, 3000))
		want.records[at] = string(make([]byte, 3000))
		err := s.Flush(t.Context())
		lift()
		if err == nil {
			continue
		}
		failed++
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		_, err = inspect(data)
		require.NoError(t, err)
		require.NoError(t, s.Flush(t.Context()), "there is room again")
	}
	require.NotZero(t, failed)
	want.requireIn(t, s)
}

// writeVariable makes the test binary a process that writes to the file it names,
// and says what it has written, until it is killed.
const writeVariable = "STATE_TEST_WRITE"

func writeUntilKilled(path string) int {
	s, err := Open(path, Options{HistoryMaxBytes: 200_000})
	if err != nil || s.SetAside() != "" {
		fmt.Println("cannot open:", err, s.SetAside())
		return 1
	}
	first := 0
	err = s.Each(Silences, func(string, []byte) error { first++; return nil })
	for i := first; err == nil; i++ {
		s.Put(Silences, fmt.Sprint(i), make([]byte, i%700))
		s.Put(Alerts, fmt.Sprint(i%100), make([]byte, i%3000))
		s.Delete(Alerts, fmt.Sprint((i+50)%100))
		s.AddHistory(make([]byte, i%1000))
		if i%10 == 0 {
			err = s.Accept(&Version{Accepted: *smallAccepted(uint64(i))})
		}
		if err = errors.Join(err, s.Flush(context.Background())); err == nil {
			fmt.Println(i)
		}
	}
	fmt.Println(err)
	return 1
}

func TestState_KilledAtAnyMomentHoldsWhatItAcknowledged(t *testing.T) {
	path := statePath(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	acknowledged := -1
	for range 15 {
		writer := exec.Command(os.Args[0])
		writer.Env = append(os.Environ(), writeVariable+"="+path)
		said, err := writer.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, writer.Start())
		lines := bufio.NewScanner(said)
		for range 1 + random.IntN(60) {
			require.True(t, lines.Scan(), "the writer has ended")
			_, err := fmt.Sscan(lines.Text(), &acknowledged)
			require.NoError(t, err, lines.Text())
		}
		require.NoError(t, writer.Process.Kill())
		for lines.Scan() { // what it said before the end, but for half a line
			last := 0
			if _, err := fmt.Sscan(lines.Text(), &last); err == nil && last == acknowledged+1 {
				acknowledged = last
			}
		}
		_, _ = io.Copy(io.Discard, said)
		require.Error(t, writer.Wait())

		s, err := Open(path, Options{})
		require.NoError(t, err)
		require.Empty(t, s.SetAside())
		silences := recordsOf(t, s, Silences)
		require.GreaterOrEqual(t, len(silences), acknowledged+1)
		require.LessOrEqual(t, len(silences), acknowledged+2)
		version := contentOf(t, s).accepted
		require.GreaterOrEqual(t, version, uint64(acknowledged/10*10))
		require.LessOrEqual(t, version, uint64(acknowledged+1))
		acknowledged = len(silences) - 1
		require.NoError(t, s.Close())
	}
}
