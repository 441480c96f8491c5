package alerting

import (
	"encoding/binary"
	"fmt"

	"google.golang.org/protobuf/proto"
)

// maxFrame is the longest record that makes sense; a longer one is a damaged
// length. It is upstream's own bound (protodelim).
const maxFrame = 4 << 20

// frames splits records that follow each other, each with its length in front, as
// the engine writes and gossips them. A frame includes its length. rest begins
// where a length makes no sense, and nothing after it can be read.
func frames(b []byte) (whole [][]byte, rest []byte) {
	for len(b) > 0 {
		size, n := binary.Uvarint(b)
		if n <= 0 || size > maxFrame || size > uint64(len(b)-n) {
			return whole, b
		}
		end := n + int(size)
		whole = append(whole, b[:end:end])
		b = b[end:]
	}
	return whole, nil
}

// unmarshalFrame reads the record of one frame.
func unmarshalFrame(frame []byte, record proto.Message) error {
	_, n := binary.Uvarint(frame)
	if n <= 0 {
		return fmt.Errorf("read record: its length makes no sense")
	}
	if err := proto.Unmarshal(frame[n:], record); err != nil {
		return fmt.Errorf("read record: %w", err)
	}
	return nil
}
