package state

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// sumSize is the length of the checksum in front of each value.
const sumSize = 4

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// seal puts a checksum in front of a value: bbolt has none. It covers the name of
// the record too, so that a value is never taken for another record's.
func seal(p place, value []byte) []byte {
	sealed := make([]byte, sumSize, sumSize+len(value))
	binary.BigEndian.PutUint32(sealed, checksum(p, value))
	return append(sealed, value...)
}

var errChecksum = errors.New("checksum does not match")

func unseal(p place, sealed []byte) ([]byte, error) {
	if len(sealed) < sumSize {
		return nil, errChecksum
	}
	value := sealed[sumSize:]
	if binary.BigEndian.Uint32(sealed) != checksum(p, value) {
		return nil, errChecksum
	}
	return value, nil
}

func checksum(p place, value []byte) uint32 {
	sum := crc32.Update(0, castagnoli, []byte(p.bucket))
	sum = crc32.Update(sum, castagnoli, []byte{0})
	sum = crc32.Update(sum, castagnoli, []byte(p.key))
	sum = crc32.Update(sum, castagnoli, []byte{0})
	return crc32.Update(sum, castagnoli, value)
}
