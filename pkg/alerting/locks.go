package alerting

import (
	"context"
	"sync"
)

// keyedLocks are locks by name. One that nobody holds or waits for takes no space.
type keyedLocks struct {
	mu    sync.Mutex // guards what follows
	locks map[string]*keyedLock
}

type keyedLock struct {
	held  chan struct{} // holds one element while the lock is held
	users int           // who hold it or wait for it; guarded by keyedLocks.mu
}

// lock waits until the lock is free or ctx is done.
func (k *keyedLocks) lock(ctx context.Context, key string) (unlock func(), err error) {
	l := k.enter(key)
	select {
	case l.held <- struct{}{}:
		return func() {
			<-l.held
			k.exit(key, l)
		}, nil
	case <-ctx.Done():
		k.exit(key, l)
		return nil, ctx.Err()
	}
}

func (k *keyedLocks) enter(key string) *keyedLock {
	k.mu.Lock()
	defer k.mu.Unlock()
	l, ok := k.locks[key]
	if !ok {
		l = &keyedLock{held: make(chan struct{}, 1)}
		if k.locks == nil {
			k.locks = map[string]*keyedLock{}
		}
		k.locks[key] = l
	}
	l.users++
	return l
}

func (k *keyedLocks) exit(key string, l *keyedLock) {
	k.mu.Lock()
	defer k.mu.Unlock()
	l.users--
	if l.users == 0 {
		delete(k.locks, key)
	}
}
