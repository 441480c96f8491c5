// Command controls shows that the upstream programs break what srcprom promises:
// it plays the same scripts to Alertmanager and to srcprom, and prints a line for
// each promise with what either did. It exits with 1 where srcprom breaks one, and
// where Alertmanager no longer does, so that docs/guarantees.md stays true.
//
// Everything happens on the loopback interface, in temporary directories, and is
// bounded; what was started is stopped. `make controls` builds all that it needs.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

func main() {
	bin := flag.String("bin", "../bin", "directory of srcprom-lean")
	peers := flag.String("peers", "../.tools/peers", "directory of alertmanager")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *bin, *peers, os.Stdout); err != nil {
		log.Fatalf("controls: %v", err)
	}
}

// run plays every control, also after one that did not turn out as claimed.
func run(ctx context.Context, bin, peers string, w io.Writer) error {
	upstream, err := alertmanager(peers)
	if err != nil {
		return err
	}
	ours, err := srcprom(bin)
	if err != nil {
		return err
	}
	var errs []error
	for _, c := range controls {
		theirs, err := play(ctx, upstream, c)
		if err != nil {
			return err
		}
		own, err := play(ctx, ours, c)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%s: promised: %s | Alertmanager: %s | srcprom: %s\n", c.name, c.promise, theirs.words, own.words)
		errs = append(errs, c.verdict(theirs, own))
	}
	return errors.Join(errs...)
}

// play plays a control to one program, in a new directory.
func play(ctx context.Context, p program, c control) (outcome, error) {
	dir, err := os.MkdirTemp("", "srcprom-control-")
	if err != nil {
		return outcome{}, err
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	receiver := newReceiver()
	defer receiver.close()
	s := &subject{ctx: ctx, program: p, dir: dir, receiver: receiver}
	defer s.kill()
	if err := s.begin(c.config(receiver.url())); err != nil {
		return outcome{}, fmt.Errorf("%s: %s: %w", c.name, p.name, err)
	}
	o, err := c.script(s)
	if err != nil {
		return outcome{}, fmt.Errorf("%s: %s: %w\n%s", c.name, p.name, err, s.log.String())
	}
	return o, nil
}

func absolute(dir, name string) (string, error) {
	path, err := filepath.Abs(filepath.Join(dir, name))
	if err != nil {
		return "", err
	}
	_, err = os.Stat(path)
	return path, err
}
