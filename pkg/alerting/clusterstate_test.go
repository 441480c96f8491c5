package alerting

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/state"
)

// memberAgain is a member of a cluster that starts after the one before was
// killed.
func memberAgain(t *testing.T, before *harness, peers ...string) *harness {
	return before.again(func(o *Options, _ *Deps) { inCluster(o, peers...) }).start()
}

func (h *harness) requireSilences(want map[string]string) {
	h.t.Helper()
	var have map[string]string
	require.Eventually(h.t, func() bool {
		have = h.silencesNow()
		return fmt.Sprint(have) == fmt.Sprint(want)
	}, patience, tick, "the silences do not get there")
}

// requireOnDisk waits until the file has as many records.
func (h *harness) requireOnDisk(bucket state.Bucket, n int) {
	h.t.Helper()
	require.Eventually(h.t, func() bool { return len(stored(h.t, h.state, bucket)) == n }, patience, tick, "not %d records of %q on the disk", n, bucket)
}

func TestCluster_WhatGossipBringsSurvivesACrash(t *testing.T) {
	hook := newWebhook(t, nil)
	long := strings.Repeat("x", 800)
	end := time.Now().Add(time.Hour)
	first := newMember(t)
	first.apply(effective(t, webhookYML(hook.URL)))
	gone := first.silence(silenceText("", "Early", "early", end))
	first.silence(silenceText("", "EarlyLong", "early "+long, end))

	// Both come with the full state at the join; a long one is no gossip.
	second := newMember(t, first.clusterAddress())
	second.apply(effective(t, webhookYML(hook.URL)))
	want := map[string]string{"early": "active", "early " + long: "active"}
	second.requireSilences(want)
	second.requireOnDisk(state.Silences, 2)

	// Then each way, by gossip or, the long ones, directly.
	second.silence(silenceText("", "Late", "late", end))
	second.silence(silenceText("", "LateLong", "late "+long, end))
	status, _ := second.expire(gone)
	require.Equal(t, http.StatusOK, status)
	want["early"], want["late"], want["late "+long] = "expired", "active", "active"
	first.requireSilences(want)
	first.requireOnDisk(state.Silences, 4)
	first.silence(silenceText("", "LastLong", "last "+long, end))
	want["last "+long] = "active"
	second.requireSilences(want)
	second.requireOnDisk(state.Silences, 5)

	first.fire("DiskFull")
	hook.requireMessages(t, 1)
	first.requireOnDisk(state.NotificationLog, 1)
	second.requireOnDisk(state.NotificationLog, 1)
	for _, h := range []*harness{first, second} {
		alone := h.again(nil)
		require.Equal(t, want, alone.silencesNow())
		require.Len(t, stored(t, alone.state, state.NotificationLog), 1)
	}

	// After a restart of each they go on as before.
	firstAgain := memberAgain(t, first)
	first.stop()
	secondAgain := memberAgain(t, second, firstAgain.clusterAddress())
	second.stop()
	for _, h := range []*harness{firstAgain, secondAgain} {
		h.apply(effective(t, webhookYML(hook.URL)))
		require.Eventually(t, func() bool { return h.engine.peer.ClusterSize() == 2 }, patience, tick, "they do not find each other")
	}
	firstAgain.silence(silenceText("", "AgainLong", "again "+long, end))
	secondAgain.silence(silenceText("", "Again", "again", end))
	want["again"], want["again "+long] = "active", "active"
	for _, h := range []*harness{firstAgain, secondAgain} {
		h.requireSilences(want)
		h.requireOnDisk(state.Silences, 7)
	}
	require.Equal(t, 1, hook.requests())
}

func TestCluster_PeersHearOfWhatWasTakenBack(t *testing.T) {
	hook := newWebhook(t, nil)
	first := newMember(t)
	first.apply(effective(t, webhookYML(hook.URL)))
	second := newMember(t, first.clusterAddress())
	require.Eventually(t, func() bool { return first.engine.peer.ClusterSize() == 2 }, patience, tick, "the second has not joined")
	first.disk.fail(errDiskFull)
	long := strings.Repeat("x", 800)
	status, _ := first.post("silences", silenceText("", "A", long, time.Now().Add(time.Hour)))
	require.Equal(t, http.StatusInternalServerError, status)
	second.requireSilences(map[string]string{long: "expired"})
	first.disk.mend()
}

func TestCluster_DamagedGossipIsNotJournaled(t *testing.T) {
	h := newHarness(t, nil)
	g := gossiped{h.engine.silences, h.engine.silenceJournal, &h.engine.silenceCalls.gate}
	require.Error(t, g.Merge(append(framed(t, silenced("a", "A")), 1, 0xff)))
	require.Empty(t, stored(t, h.state, state.Silences))
}
