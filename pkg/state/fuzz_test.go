package state

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzSalvage looks at files in which some bytes are wrong: it must end, and not
// panic. Of each four bytes of the input, three say where and one says how.
func FuzzSalvage(f *testing.F) {
	path := filepath.Join(f.TempDir(), "srcprom", "state.db")
	s, err := Open(path, Options{})
	require.NoError(f, err)
	for i := range 20 {
		s.Put(Silences, fmt.Sprint(i), make([]byte, 400))
		s.AddHistory([]byte("any"))
	}
	require.NoError(f, s.Accept(&Version{Accepted: *smallAccepted(1)}))
	require.NoError(f, s.Flush(f.Context()))
	require.NoError(f, s.Close())
	data, err := os.ReadFile(path)
	require.NoError(f, err)
	img, err := newImage(data)
	require.NoError(f, err)
	data = data[:int(img.meta.pages)*img.pageSize]
	f.Add([]byte{0, 0x10, 2, 9})
	f.Add([]byte{0, 0x30, 10, 200, 0, 0x40, 20, 3})
	f.Fuzz(func(t *testing.T, changes []byte) {
		data := bytes.Clone(data)
		for ; len(changes) >= 4; changes = changes[4:] {
			at := binary.BigEndian.Uint32(changes)
			data[int(at>>8)%len(data)] ^= byte(at)
		}
		_, _ = inspect(data)
		img, err := newImage(data)
		if err != nil {
			return
		}
		require.NoError(t, newSalvage(img, func(place, []byte) error { return nil }).run())
	})
}
