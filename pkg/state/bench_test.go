package state

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func benchOpen(b *testing.B, path string) *State {
	b.Helper()
	s, err := Open(path, Options{})
	require.NoError(b, err)
	b.Cleanup(func() { _ = s.Close() })
	return s
}

func BenchmarkPutFlush(b *testing.B) {
	for _, callers := range []int{1, 16} {
		b.Run(fmt.Sprintf("%d callers", callers), func(b *testing.B) {
			s := benchOpen(b, filepath.Join(b.TempDir(), "srcprom", "state.db"))
			value := []byte(strings.Repeat("x", 300))
			var callersDone sync.WaitGroup
			for caller := range callers {
				callersDone.Go(func() {
					for i := caller; i < b.N; i += callers {
						s.Put(Silences, fmt.Sprint(i), value)
						if err := s.Flush(b.Context()); err != nil {
							b.Error(err)
						}
					}
				})
			}
			callersDone.Wait()
		})
	}
}

func BenchmarkAddHistory(b *testing.B) {
	s := benchOpen(b, filepath.Join(b.TempDir(), "srcprom", "state.db"))
	value := []byte(strings.Repeat("x", 500))
	for i := 0; b.Loop(); i++ {
		s.AddHistory(value)
		if i%1000 == 999 {
			require.NoError(b, s.Flush(b.Context()))
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	for name, fill := range map[string]func(s *State){
		"10000 alerts and silences": func(s *State) {
			for i := range 10_000 {
				s.Put(Silences, fmt.Sprintf("%032x", i), []byte(strings.Repeat("x", 300)))
				s.Put(Alerts, fmt.Sprintf("%016x", i), []byte(strings.Repeat("x", 500)))
			}
		},
		"history of 64 MiB": func(s *State) {
			for range (64 << 20) / (500 + entryOverhead) / 10 {
				s.AddHistory([]byte(strings.Repeat("x", 500)))
			}
		},
	} {
		b.Run(name, func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "srcprom", "state.db")
			s := benchOpen(b, path)
			for range 10 {
				fill(s)
				require.NoError(b, s.Flush(b.Context()))
			}
			require.NoError(b, s.Close())
			for b.Loop() {
				s := benchOpen(b, path)
				for _, bucket := range []Bucket{Silences, Alerts} {
					require.NoError(b, s.Each(bucket, func(string, []byte) error { return nil }))
				}
				require.NoError(b, s.Close())
			}
		})
	}
}
