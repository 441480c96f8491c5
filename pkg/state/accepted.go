package state

import (
	"encoding/json"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/sourcegraph/srcprom/pkg/config"
)

// configBucket has the configuration that was last accepted.
const configBucket Bucket = "config"

const acceptedKey = "accepted"

var acceptedPlace = place{configBucket, acceptedKey}

// Accepted returns the configuration that was last kept, nil when none was.
func (s *State) Accepted() (*config.Accepted, error) {
	var accepted *config.Accepted
	err := s.view(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(configBucket))
		if b == nil {
			return nil
		}
		sealed := b.Get([]byte(acceptedKey))
		if sealed == nil {
			return nil
		}
		accepted = &config.Accepted{}
		return s.leftOut(acceptedPlace, decode(acceptedPlace, sealed, accepted))
	})
	if err != nil {
		return nil, fmt.Errorf("read the accepted configuration: %w", err)
	}
	return accepted, nil
}

// decode reads a record that is JSON.
func decode(at place, sealed []byte, into any) error {
	text, err := unseal(at, sealed)
	if err != nil {
		return err
	}
	return withoutText(json.Unmarshal(text, into))
}

// withoutText keeps the secrets of a configuration out of an error about it.
func withoutText(err error) error {
	if err == nil {
		return nil
	}
	if syntax := new(json.SyntaxError); errors.As(err, &syntax) {
		return fmt.Errorf("invalid JSON at byte %d", syntax.Offset)
	}
	return errors.New("JSON of another shape than expected")
}
