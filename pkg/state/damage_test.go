package state

import (
	"bytes"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/config"
)

// content is all that a file holds.
type content struct {
	records  map[place]string
	history  []string
	versions []uint64
	accepted uint64
}

// testRecords is how many records of each kind a whole file has.
const testRecords = 300

// fill writes a file of some size in many transactions, so that there are free pages.
func fill(t testing.TB, s *State) {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 3 {
		for i := range testRecords {
			text := fmt.Sprintf("%d of round %d %s", i, round, strings.Repeat("x", random.IntN(200)))
			s.Put(Silences, fmt.Sprintf("silence-%04d", i), []byte(text))
			s.Put(Alerts, fmt.Sprintf("%016x", i*7919), []byte(text))
			s.Put(NotificationLog, fmt.Sprintf("{}:{alertname=\"%d\"}", i), []byte(text))
			s.AddHistory([]byte(text))
			if i%50 == 0 {
				require.NoError(t, s.Flush(t.Context()))
			}
		}
		s.Put(Marks, "imported", fmt.Append(nil, round)) // small buckets are stored otherwise
		s.Put(Intents, "a", []byte("b"))
		s.Delete(Silences, fmt.Sprintf("silence-%04d", round))
		require.NoError(t, s.Accept(&Version{Accepted: *smallAccepted(uint64(round + 1))}))
	}
	require.NoError(t, s.Accept(&Version{Accepted: config.Accepted{
		Version: 4, Documents: config.Documents{"prometheus": {Content: strings.Repeat("0123456789", 2000)}},
	}}))
	require.NoError(t, s.Flush(t.Context()))
}

func smallAccepted(version uint64) *config.Accepted {
	return &config.Accepted{Version: version, Documents: config.Documents{"alertmanager": {Content: "route:"}}}
}

func contentOf(t testing.TB, s *State) content {
	t.Helper()
	c := content{records: map[place]string{}}
	for _, bucket := range []Bucket{Silences, NotificationLog, Alerts, Intents, Marks} {
		require.NoError(t, s.Each(bucket, func(key string, value []byte) error {
			c.records[place{bucket, key}] = string(value)
			return nil
		}))
	}
	entries, err := s.History(t.Context(), 0, 1<<20)
	require.NoError(t, err)
	c.history = values(entries)
	versions, err := s.Versions(0, 1<<20)
	require.NoError(t, err)
	for _, v := range versions {
		c.versions = append(c.versions, v.Version)
	}
	accepted, err := s.Accepted()
	require.NoError(t, err)
	if accepted != nil {
		c.accepted = accepted.Version
	}
	return c
}

// wholeFile returns a file and what it holds.
func wholeFile(t testing.TB) ([]byte, content) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "srcprom", "state.db")
	s, err := Open(path, Options{})
	require.NoError(t, err)
	fill(t, s)
	want := contentOf(t, s)
	require.NoError(t, s.Close())
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return data, want
}

// lost is how many records of before are not as they were.
func lost(before, after content) int {
	n := 0
	for at, value := range before.records {
		if after.records[at] != value {
			n++
		}
	}
	n += missing(before.history, after.history) + missing(before.versions, after.versions)
	if before.accepted != after.accepted {
		n++
	}
	return n
}

func missing[T comparable](before, after []T) (n int) {
	there := map[T]bool{}
	for _, x := range after {
		there[x] = true
	}
	for _, x := range before {
		if !there[x] {
			n++
		}
	}
	return n
}

// openDamaged opens a file in its own directory, and returns what it holds. A file
// that was not seen to be damaged must be whole.
func openDamaged(t *testing.T, data []byte, want content) (after content, setAside bool) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "state.db")
	require.NoError(t, os.WriteFile(path, data, 0o600))
	s, err := Open(path, Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	after = contentOf(t, s)
	if s.SetAside() == "" {
		require.Zero(t, s.Damaged())
		require.Equal(t, want, after, "what is wrong was not noticed")
		return after, false
	}
	kept, err := os.ReadFile(s.SetAside())
	require.NoError(t, err)
	require.True(t, bytes.Equal(data, kept), "the damaged file stays as it was")
	s.Put(Silences, "new", []byte("new"))
	require.NoError(t, s.Flush(t.Context()), "the new file takes changes")
	return after, true
}

func noNewer(t *testing.T, before, after content) {
	t.Helper()
	for at, value := range after.records {
		require.Equal(t, before.records[at], value, "%v was not like that", at)
	}
	require.Zero(t, missing(after.history, before.history))
}

func TestOpen_FlippedBitLosesAtMostItsRecord(t *testing.T) {
	data, want := wholeFile(t)
	img, err := newImage(data)
	require.NoError(t, err)
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	for id := range int(img.meta.pages) {
		// In the head of the page, in those of some entries, or anywhere.
		within := []int{headerSize, 96, img.pageSize}[random.IntN(3)]
		at, bit := id*img.pageSize+random.IntN(within), byte(1)<<random.IntN(8)
		data[at] ^= bit
		t.Run(fmt.Sprintf("seed %d byte %d bit %d", seed, at, bit), func(t *testing.T) {
			after, _ := openDamaged(t, data, want)
			require.LessOrEqual(t, lost(want, after), 1)
			noNewer(t, want, after)
		})
		data[at] ^= bit
	}
}

func TestOpen_ZeroedPageLosesOnlyWhatIsInIt(t *testing.T) {
	data, want := wholeFile(t)
	img, err := newImage(data)
	require.NoError(t, err)
	for id := 2; id < int(img.meta.pages); id++ {
		t.Run(fmt.Sprintf("page %d", id), func(t *testing.T) {
			page := bytes.Clone(data[id*img.pageSize : (id+1)*img.pageSize])
			defer copy(data[id*img.pageSize:], page)
			clear(data[id*img.pageSize : (id+1)*img.pageSize])
			after, _ := openDamaged(t, data, want)
			require.LessOrEqual(t, lost(want, after), 150)
			noNewer(t, want, after)
		})
	}
}

func TestOpen_TruncatedFileKeepsWhatIsThere(t *testing.T) {
	data, want := wholeFile(t)
	img, err := newImage(data)
	require.NoError(t, err)
	all := int(img.meta.pages) * img.pageSize
	for size := 1; size < all; size += all / 40 {
		t.Run(fmt.Sprintf("%d of %d bytes", size, all), func(t *testing.T) {
			after, setAside := openDamaged(t, data[:size], want)
			require.True(t, setAside)
			noNewer(t, want, after)
		})
	}
	t.Run("empty", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "state.db")
		require.NoError(t, os.WriteFile(path, nil, 0o600))
		require.Empty(t, mustOpen(t, path).SetAside(), "that is a new file")
	})
}

func TestOpen_TornTailKeepsTheRest(t *testing.T) {
	data, want := wholeFile(t)
	img, err := newImage(data)
	require.NoError(t, err)
	all := int(img.meta.pages) * img.pageSize
	for _, tail := range []int{512, 4096, 10_000} {
		torn := bytes.Clone(data[:all])
		for i := all - tail; i < all; i++ {
			torn[i] = byte(i * 31)
		}
		after, _ := openDamaged(t, torn, want)
		require.LessOrEqual(t, lost(want, after), 150)
		noNewer(t, want, after)
	}
}

func TestOpen_WhatIsNoStateIsSetAside(t *testing.T) {
	for name, data := range map[string][]byte{
		"text":   []byte("this is no database, but it is long enough to be looked at"),
		"zeroes": make([]byte, 64<<10),
		"noise":  noise(64 << 10),
	} {
		t.Run(name, func(t *testing.T) {
			after, setAside := openDamaged(t, data, content{records: map[place]string{}})
			require.True(t, setAside)
			require.Empty(t, after.records)
		})
	}
}

func noise(n int) []byte {
	data := make([]byte, n)
	random := rand.New(rand.NewPCG(5, 6))
	for i := range data {
		data[i] = byte(random.Uint32())
	}
	return data
}

func TestOpen_DamageIsSaidLoudly(t *testing.T) {
	data, _ := wholeFile(t)
	path := filepath.Join(t.TempDir(), "state.db")
	at := bytes.Index(data, []byte("silence-0100"))
	require.Positive(t, at)
	for i := at; i >= 0; i = next(data, i, "silence-0100") {
		data[i+9] ^= 1
	}
	require.NoError(t, os.WriteFile(path, data, 0o600))
	var log bytes.Buffer
	s, err := Open(path, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	require.NoError(t, err)
	defer s.Close()
	require.Regexp(t, `^`+path+`\.damaged-\d{8}T\d{6}Z$`, s.SetAside())
	require.Equal(t, 1, s.Damaged())
	require.Contains(t, log.String(), "level=ERROR")
	require.Contains(t, log.String(), "set_aside="+s.SetAside())
	require.Contains(t, log.String(), "lost=1")
}

func next(data []byte, after int, text string) int {
	i := bytes.Index(data[after+1:], []byte(text))
	if i < 0 {
		return -1
	}
	return after + 1 + i
}
