package state

import (
	"encoding/json"
	"fmt"
	"strconv"

	"go.etcd.io/bbolt"
)

// formatVersion is that of the buckets in the file. Files of older ones are
// migrated, a file of a newer one is left alone.
//
//   - 1: the accepted configuration as JSON.
//   - 2: all records with checksums; versions of the configuration.
const formatVersion = 2

// metaBucket says which format the file has.
const metaBucket Bucket = "meta"

const (
	formatKey    = "format"
	formatSumKey = "check" // of the format: a flipped bit would make a newer one of ours
)

func formatSum(version string) string {
	return string(seal(place{metaBucket, formatKey}, []byte(version)))
}

func (s *State) newerFormat(version int) error {
	return fmt.Errorf("open the state file %q: it has format version %d, this program knows up to %d; run a newer program or use another data directory",
		s.path, version, formatVersion)
}

// migrate makes a file of an older format one of ours.
func migrate(tx *bbolt.Tx) error {
	b := tx.Bucket([]byte(configBucket))
	if b == nil {
		return nil
	}
	v, err := decodeFirstFormat(b.Get([]byte(acceptedKey)))
	if err != nil {
		return err
	}
	return accept(tx, v)
}

// decodeFirstFormat reads the one record of the first format.
func decodeFirstFormat(text []byte) (*Version, error) {
	v := &Version{}
	return v, withoutText(json.Unmarshal(text, &v.Accepted))
}

// settleAccepted makes the accepted configuration and the list of versions agree,
// after one of them may have been lost.
func settleAccepted(tx *bbolt.Tx) error {
	v := &Version{}
	if b := tx.Bucket([]byte(configBucket)); b != nil {
		if decode(acceptedPlace, b.Get([]byte(acceptedKey)), &v.Accepted) == nil {
			return accept(tx, v)
		}
	}
	if b := tx.Bucket([]byte(versionsBucket)); b != nil {
		key, sealed := b.Cursor().Last()
		if decode(place{versionsBucket, string(key)}, sealed, v) == nil {
			return accept(tx, v)
		}
	}
	return nil // there is none
}

func markFormat(tx *bbolt.Tx) error {
	meta, err := tx.CreateBucketIfNotExists([]byte(metaBucket))
	if err != nil {
		return err
	}
	version := strconv.Itoa(formatVersion)
	if err := meta.Put([]byte(formatSumKey), []byte(formatSum(version))); err != nil {
		return err
	}
	return meta.Put([]byte(formatKey), []byte(version))
}
