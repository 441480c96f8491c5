package state

import (
	"encoding/json"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/sourcegraph/srcprom/pkg/config"
)

// Accepted returns the configuration that was last kept, nil when none was.
func (s *State) Accepted() (*config.Accepted, error) {
	var text []byte
	err := s.guard(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			if bucket := tx.Bucket([]byte(configBucket)); bucket != nil {
				text = append(text, bucket.Get([]byte(acceptedKey))...)
			}
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read the accepted configuration from the state file %q: %w", s.path, err)
	}
	if text == nil {
		return nil, nil
	}
	accepted := &config.Accepted{}
	if err := json.Unmarshal(text, accepted); err != nil {
		return nil, s.damaged(fmt.Errorf("accepted configuration: %w", withoutText(err)))
	}
	return accepted, nil
}

// withoutText keeps the secrets of a configuration out of an error about it.
func withoutText(err error) error {
	if syntax := new(json.SyntaxError); errors.As(err, &syntax) {
		return fmt.Errorf("invalid JSON at byte %d", syntax.Offset)
	}
	return errors.New("JSON of another shape than expected")
}

// SetAccepted keeps a configuration in the place of the one before. When it
// returns nil, the configuration is on the disk.
func (s *State) SetAccepted(accepted *config.Accepted) error {
	text, err := json.Marshal(accepted)
	if err != nil {
		return fmt.Errorf("keep the accepted configuration: %w", err)
	}
	return s.update("keep the accepted configuration in", func(tx *bbolt.Tx) error {
		bucket, err := tx.CreateBucketIfNotExists([]byte(configBucket))
		if err != nil {
			return err
		}
		return bucket.Put([]byte(acceptedKey), text)
	})
}
