package state

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/sourcegraph/srcprom/pkg/config"
)

// versionsBucket has the configurations that were accepted by their versions,
// big-endian.
const versionsBucket Bucket = "versions"

// What is kept of them; the last one always is.
const (
	maxVersions     = 100
	maxVersionBytes = 32 << 20
)

// Version is a configuration that was accepted, and what it changed.
type Version struct {
	config.Accepted
	// Changes says what the parts replaced for it.
	Changes []string `json:"changes,omitempty"`
	// SetAside lists what did not run as written.
	SetAside []config.SetAside `json:"set_aside,omitempty"`
	// RolledBackTo is the version whose documents it took up again; 0 when none.
	RolledBackTo uint64 `json:"rolled_back_to,omitempty"`
}

// ErrNoVersion says that a version is not kept: it never was accepted, or is too old.
var ErrNoVersion = errors.New("no such version of the configuration is kept")

// Accept keeps a configuration in the place of the one before, and lists it among
// the versions. When it returns nil, both are on the disk.
//
// A version that is listed already stays as it was first written there; versions
// after it are taken from the list: with the configuration that ran before, Accept
// takes back one that then could not be made to run. The version 0, which nobody
// accepted, is not listed.
func (s *State) Accept(v *Version) error {
	return s.update("keep the accepted configuration in", func(tx *bbolt.Tx) error { return accept(tx, v) })
}

func accept(tx *bbolt.Tx, v *Version) error {
	accepted, err := json.Marshal(&v.Accepted)
	if err != nil {
		return err
	}
	if err := write(tx, change{place: acceptedPlace, value: accepted}); err != nil {
		return err
	}
	listed, err := json.Marshal(v)
	if err != nil {
		return err
	}
	b, err := tx.CreateBucketIfNotExists([]byte(versionsBucket))
	if err != nil {
		return err
	}
	if err := listVersion(b, v.Version, listed); err != nil {
		return err
	}
	return pruneVersions(b)
}

func listVersion(b *bbolt.Bucket, version uint64, text []byte) error {
	key := versionKey(version)
	if version > 0 && b.Get(key) == nil {
		if err := b.Put(key, seal(place{versionsBucket, string(key)}, text)); err != nil {
			return err
		}
	}
	return deleteVersions(b, func(k []byte, _, _ int) bool { return string(k) > string(key) })
}

func pruneVersions(b *bbolt.Bucket) error {
	return deleteVersions(b, func(_ []byte, newer, bytes int) bool {
		return newer > 0 && (newer >= maxVersions || bytes > maxVersionBytes)
	})
}

// deleteVersions removes versions. The func is told how many are newer, and how
// many bytes these take together with the version itself.
func deleteVersions(b *bbolt.Bucket, unwanted func(key []byte, newer, bytes int) bool) error {
	var keys [][]byte
	newer, bytes := 0, 0
	c := b.Cursor()
	for key, sealed := c.Last(); key != nil; key, sealed = c.Prev() {
		bytes += len(sealed)
		if unwanted(key, newer, bytes) {
			keys = append(keys, key)
		}
		newer++
	}
	for _, key := range keys {
		if err := b.Delete(key); err != nil {
			return err
		}
	}
	return nil
}

// Versions returns up to limit of the accepted configurations whose versions are
// less than before, the newest first; before 0 means from the end. Damaged ones
// are left out, and named by the error, which wraps [ErrDamaged].
func (s *State) Versions(before uint64, limit int) ([]Version, error) {
	if before == 0 {
		before = ^uint64(0)
	}
	var versions []Version
	var damaged []error
	err := s.view(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(versionsBucket))
		if b == nil {
			return nil
		}
		c := b.Cursor()
		for key, sealed := seekBefore(c, before); key != nil && len(versions) < limit; key, sealed = c.Prev() {
			var v Version
			at := place{versionsBucket, string(key)}
			if err := s.leftOut(at, decode(at, sealed, &v)); err != nil {
				damaged = append(damaged, err)
				continue
			}
			versions = append(versions, v)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read accepted configurations: %w", err)
	}
	return versions, errors.Join(damaged...)
}

// VersionAt returns one of the accepted configurations; the error wraps
// [ErrNoVersion] when it is not kept.
func (s *State) VersionAt(version uint64) (*Version, error) {
	v := &Version{}
	err := s.view(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(versionsBucket))
		if b == nil {
			return ErrNoVersion
		}
		key := versionKey(version)
		sealed := b.Get(key)
		if sealed == nil {
			return ErrNoVersion
		}
		at := place{versionsBucket, string(key)}
		return s.leftOut(at, decode(at, sealed, v))
	})
	if err != nil {
		return nil, fmt.Errorf("read version %d of the configuration: %w", version, err)
	}
	return v, nil
}

func versionKey(version uint64) []byte { return binary.BigEndian.AppendUint64(nil, version) }
