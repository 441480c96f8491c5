package main

import (
	"fmt"
	"strings"
	"syscall"
	"time"
)

// control is one promise, and a script that shows whether a program keeps it.
type control struct {
	name     string
	promise  string
	interval time.Duration // group_interval
	script   func(*subject) (outcome, error)
}

// outcome is what a program did with a promise.
type outcome struct {
	kept  bool
	words string
}

// verdict is an error where srcprom breaks a promise or the upstream program keeps
// it.
func (c control) verdict(upstream, ours outcome) error {
	switch {
	case !ours.kept:
		return fmt.Errorf("%s: srcprom broke its promise: %s", c.name, ours.words)
	case upstream.kept:
		return fmt.Errorf("%s: Alertmanager keeps it too now: %s; docs/guarantees.md claims otherwise", c.name, upstream.words)
	}
	return nil
}

func (c control) config(url string) string {
	return fmt.Sprintf(`
route: { receiver: r, group_by: [ team ], group_wait: 100ms, group_interval: %s, repeat_interval: 1h }
receivers: [ { name: r, webhook_configs: [ { url: %q } ] } ]
`, c.interval, url)
}

// The controls, in the order of the promises.
var controls = []control{
	{
		name: "G1-silence-sigkill", promise: "an acknowledged silence survives SIGKILL", interval: time.Second,
		script: silenceAndKill,
	},
	{
		name: "G2-repeat-sigkill", promise: "what was delivered is not sent again after SIGKILL", interval: time.Second,
		script: deliverAndKill,
	},
	{
		name: "G4-reload-cancels", promise: "a reload cancels and repeats no notification", interval: time.Second,
		script: holdAndReload,
	},
	{
		name: "G4-reload-group-interval", promise: "a reload that changes nothing leaves group_interval alone", interval: 3 * time.Second,
		script: reloadBetweenFlushes,
	},
	{
		name: "G5-resolved-sigkill", promise: "an alert that has ended is resolved after SIGKILL", interval: time.Second,
		script: endAfterKill,
	},
	{
		name: "G7-sigterm-cancels", promise: "SIGTERM lets notifications finish, and the next start repeats none", interval: time.Second,
		script: holdAndTerminate,
	},
}

func silenceAndKill(s *subject) (outcome, error) {
	id, err := s.silence()
	if err != nil {
		return outcome{}, err
	}
	if err := s.restart(syscall.SIGKILL); err != nil {
		return outcome{}, err
	}
	there, err := s.hasSilence(id)
	if there {
		return outcome{true, "kept the silence"}, err
	}
	return outcome{false, "lost the silence"}, err
}

func deliverAndKill(s *subject) (outcome, error) {
	if err := s.deliver("A"); err != nil {
		return outcome{}, err
	}
	if err := s.pause(time.Second); err != nil { // it is surely recorded, if ever
		return outcome{}, err
	}
	if err := s.restart(syscall.SIGKILL); err != nil {
		return outcome{}, err
	}
	return s.sentAfter("A")
}

// sentAfter posts an alert again, as clients do, and counts how often the receiver
// was told of it once two later notifications have come.
func (s *subject) sentAfter(name string) (outcome, error) {
	if err := s.post(name, "x", time.Time{}); err != nil {
		return outcome{}, err
	}
	if err := s.ticks(); err != nil {
		return outcome{}, err
	}
	n := s.receiver.count(func(r request) bool { return r.says(name, "firing") })
	return outcome{n == 1, fmt.Sprintf("sent it %s", times(n))}, nil
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

func holdAndReload(s *subject) (outcome, error) {
	release := s.receiver.hold()
	defer release()
	if err := s.post("A", "x", time.Time{}); err != nil {
		return outcome{}, err
	}
	if err := s.receiver.await(s.ctx, func(r request) bool { return r.says("A", "firing") }); err != nil {
		return outcome{}, err
	}
	if err := s.reload(); err != nil {
		return outcome{}, err
	}
	if err := s.pause(2 * time.Second); err != nil { // time to cancel and to begin again
		return outcome{}, err
	}
	release()
	if err := s.receiver.await(s.ctx, func(r request) bool { return r.says("A", "firing") && r.answered }); err != nil {
		return outcome{}, err
	}
	return s.cancelledAndRepeated()
}

func (s *subject) cancelledAndRepeated() (outcome, error) {
	if err := s.ticks(); err != nil {
		return outcome{}, err
	}
	begun := s.receiver.count(func(r request) bool { return r.says("A", "firing") })
	cancelled := s.receiver.count(func(r request) bool { return r.says("A", "firing") && r.cancelled })
	return outcome{
		begun == 1 && cancelled == 0,
		fmt.Sprintf("began it %s, cancelled it %s", times(begun), strings.Replace(times(cancelled), "0 times", "never", 1)),
	}, nil
}

func holdAndTerminate(s *subject) (outcome, error) {
	release := s.receiver.hold()
	defer release()
	if err := s.post("A", "x", time.Time{}); err != nil {
		return outcome{}, err
	}
	if err := s.receiver.await(s.ctx, func(r request) bool { return r.says("A", "firing") }); err != nil {
		return outcome{}, err
	}
	ended := s.end(syscall.SIGTERM)
	if err := s.pause(time.Second); err != nil { // time to cancel
		return outcome{}, err
	}
	release()
	if err := <-ended; err != nil {
		return outcome{}, err
	}
	if err := s.begin(""); err != nil {
		return outcome{}, err
	}
	if err := s.post("A", "x", time.Time{}); err != nil {
		return outcome{}, err
	}
	return s.cancelledAndRepeated()
}

// reloadBetweenFlushes adds an alert to a group that has been told of, reloads, and
// looks when the group is told of again.
func reloadBetweenFlushes(s *subject) (outcome, error) {
	if err := s.deliver("A"); err != nil {
		return outcome{}, err
	}
	if err := s.post("B", "x", time.Time{}); err != nil {
		return outcome{}, err
	}
	if err := s.reload(); err != nil {
		return outcome{}, err
	}
	if err := s.receiver.await(s.ctx, func(r request) bool { return r.says("B", "firing") }); err != nil {
		return outcome{}, err
	}
	first := s.receiver.first(func(r request) bool { return r.says("A", "firing") })
	second := s.receiver.first(func(r request) bool { return r.says("B", "firing") })
	between := second.at.Sub(first.at)
	const interval = 3 * time.Second
	return outcome{
		between > interval-interval/10,
		fmt.Sprintf("told the group again after %s of %s", between.Round(100*time.Millisecond), interval),
	}, nil
}

// endAfterKill kills while an alert fires that ends by itself and that nobody posts
// again.
func endAfterKill(s *subject) (outcome, error) {
	if err := s.post("A", "x", time.Now().Add(4*time.Second)); err != nil {
		return outcome{}, err
	}
	if err := s.receiver.await(s.ctx, func(r request) bool { return r.says("A", "firing") && r.answered }); err != nil {
		return outcome{}, err
	}
	if err := s.restart(syscall.SIGKILL); err != nil {
		return outcome{}, err
	}
	if err := s.pause(6 * time.Second); err != nil { // past its end and a group interval
		return outcome{}, err
	}
	if err := s.ticks(); err != nil {
		return outcome{}, err
	}
	n := s.receiver.count(func(r request) bool { return r.says("A", "resolved") })
	if n == 0 {
		return outcome{false, "forgot it: never resolved"}, nil
	}
	return outcome{n == 1, "resolved it " + times(n)}, nil
}
