package tsdb

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/client_golang/prometheus"
	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/storage/remote"
	"github.com/stretchr/testify/require"
)

// serveRemote serves remote write and read of a store, as /write and /read.
func serveRemote(t *testing.T, s *testStore) string {
	t.Helper()
	discard := slog.New(slog.DiscardHandler)
	mux := http.NewServeMux()
	messages := remoteapi.MessageTypes{remoteapi.WriteV1MessageType, remoteapi.WriteV2MessageType}
	mux.Handle("/write", remote.NewWriteHandler(discard, prometheus.NewRegistry(), s.Storage(), messages, false, false, false))
	mux.Handle("/read", remote.NewReadHandler(discard, prometheus.NewRegistry(), s.Local(),
		func() promconfig.Config { return promconfig.Config{} }, 1e6, 10, 1<<20))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

// writeTo is a configuration that writes to all of the given endpoints without delay.
func writeTo(extra string, urls ...string) string {
	text := "global: {external_labels: {from: sender}}\nremote_write:\n"
	for _, url := range urls {
		text += fmt.Sprintf("- {url: %q, queue_config: {batch_send_deadline: 20ms, max_shards: 1} %s}\n", url, extra)
	}
	return text
}

// sendUntilReceived appends samples until one arrives: a queue sends what is
// appended after it has begun to watch the log.
func sendUntilReceived(t *testing.T, from, to *testStore, name string) {
	t.Helper()
	require.Eventually(t, func() bool {
		now := time.Now()
		require.NoError(t, from.append(t, now, 7, "__name__", name))
		return len(to.query(t, now, fmt.Sprintf("%s{from=%q}", name, "sender"))) == 1
	}, 20*time.Second, 20*time.Millisecond, "%s arrives at the receiver", name)
}

// settle waits until all has been sent. To exchange the client of a queue while
// it sends is a data race in the engine (queue_manager.go reads storeClient
// without its lock for a trace attribute), which the race detector would report.
func settle(t *testing.T, s *testStore) {
	t.Helper()
	require.Eventually(t, func() bool { return s.metric(t, "prometheus_remote_storage_samples_pending") == 0 },
		20*time.Second, time.Millisecond, "all samples are sent")
}

func TestRemoteWrite_ReachesAReceiver(t *testing.T) {
	for version, extra := range map[string]string{
		"1.0": "",
		"2.0": ", protobuf_message: io.prometheus.write.v2.Request",
	} {
		t.Run(version, func(t *testing.T) {
			receiver := startStore(t, "", nil)
			sender := startStore(t, writeTo(extra, serveRemote(t, receiver)+"/write"), nil)
			sendUntilReceived(t, sender, receiver, "m")
		})
	}
}

func TestRemoteWrite_UnchangedQueueGoesOn(t *testing.T) {
	receiver := startStore(t, "", nil)
	url := serveRemote(t, receiver) + "/write"
	before := writeTo("", url)
	sender := startStore(t, before, nil)
	sendUntilReceived(t, sender, receiver, "m")

	// Not settled: a change of remote_read leaves the queues alone.
	changes := sender.apply(t, effective(t, before), effective(t, before+"remote_read: [{url: http://localhost:1/read}]"))
	require.Equal(t, []string{"remote_read: 1 endpoint(s), was 0"}, changes)
	sendUntilReceived(t, sender, receiver, "after")
	require.Equal(t, 1, sender.countMetric(t, "prometheus_remote_storage_samples_total"))
}

func TestRemoteWrite_SecretAloneIsAChange(t *testing.T) {
	var password atomic.Value
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, p, _ := r.BasicAuth()
		password.Store(p)
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(receiver.Close)
	with := func(p string) string {
		return writeTo(fmt.Sprintf(", basic_auth: {username: u, password: %q}", p), receiver.URL)
	}
	s := startStore(t, with("old"), nil)
	s.apply(t, effective(t, with("old")), effective(t, with("new")))
	require.Eventually(t, func() bool {
		require.NoError(t, s.append(t, time.Now(), 1, "__name__", "m"))
		return password.Load() == "new"
	}, 20*time.Second, 20*time.Millisecond, "a request with the new password")
}

func TestRemoteWrite_WrongSettingsLeaveTheOldOnesRunning(t *testing.T) {
	receiver := startStore(t, "", nil)
	url := serveRemote(t, receiver) + "/write"
	before := writeTo("", url)
	sender := startStore(t, before, nil)
	for name, test := range map[string]struct{ text, want string }{
		"certificate missing": {
			before + `- {url: "http://localhost:1/", name: broken, tls_config: {ca_file: /no/such/ca.pem}}` + "\n",
			`remote_write "broken": build its HTTP client: `,
		},
		"written twice":      {writeTo("", url, url), "remote_write[1]: it is written twice"},
		"read written twice": {before + "remote_read: [{url: http://localhost:1/}, {url: http://localhost:1/}]", "remote_read[1]: it is written twice"},
		"read certificate":   {before + "remote_read: [{url: http://localhost:1/, tls_config: {ca_file: /no/such/ca.pem}}]", "remote_read[0]: build its HTTP client: "},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := sender.Prepare(effective(t, before), effective(t, test.text))
			require.ErrorContains(t, err, test.want)
		})
	}
	sendUntilReceived(t, sender, receiver, "m")
}

func TestRemoteWrite_FileGoneBeforeCommitPutsBack(t *testing.T) {
	receiver := startStore(t, "", nil)
	url := serveRemote(t, receiver) + "/write"
	ca := filepath.Join(t.TempDir(), "ca.pem")
	server := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	writeCertificate(t, ca, server)

	before := writeTo("", url)
	after := before + fmt.Sprintf("- {url: %q, tls_config: {ca_file: %q}}\nstorage: {tsdb: {retention: {time: 3d}}}\n", server.URL, ca)
	sender := startStore(t, before, nil)
	step, err := sender.Prepare(effective(t, before), effective(t, after))
	require.NoError(t, err)
	require.NoError(t, os.Remove(ca))
	require.ErrorContains(t, step.Commit(), ca)
	require.Equal(t, "15d", sender.RetentionInfo(), "storage has been put back")
	sendUntilReceived(t, sender, receiver, "m")

	settle(t, sender)
	writeCertificate(t, ca, server)
	require.NoError(t, step.Commit())
	require.Equal(t, 2, sender.countMetric(t, "prometheus_remote_storage_samples_total"))
	settle(t, sender)
	require.NoError(t, step.Undo())
	require.Equal(t, 1, sender.countMetric(t, "prometheus_remote_storage_samples_total"))
	sendUntilReceived(t, sender, receiver, "after_undo")
}

func TestRemoteRead_MergesWithLocal(t *testing.T) {
	remote := startStore(t, "", nil)
	url := serveRemote(t, remote)
	now := time.Now()
	require.NoError(t, remote.append(t, now, 1, "__name__", "m", "where", "remote"))
	s := startStore(t, fmt.Sprintf("remote_read: [{url: %q, read_recent: true}]", url+"/read"), nil)
	require.NoError(t, s.append(t, now, 2, "__name__", "m", "where", "local"))
	require.Equal(t, map[string]float64{
		`{__name__="m", where="local"}`:  2,
		`{__name__="m", where="remote"}`: 1,
	}, s.query(t, now, "m"))
}

func TestStore_CloseIsBoundedWithAReceiverThatHangs(t *testing.T) {
	entered, release := make(chan struct{}, 100), make(chan struct{})
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		entered <- struct{}{}
		<-release
	}))
	t.Cleanup(receiver.Close)
	t.Cleanup(func() { close(release) })
	s := startStore(t, writeTo("", receiver.URL), func(o *Options) { o.RemoteFlushDeadline = 300 * time.Millisecond })
	require.Eventually(t, func() bool {
		require.NoError(t, s.append(t, time.Now(), 1, "__name__", "m"))
		return len(entered) > 0
	}, 20*time.Second, 20*time.Millisecond, "a request that hangs")
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorContains(t, s.Close(short), "still waiting for remote write to send what is left")
	require.NoError(t, s.Close(t.Context()))
}

// writeCertificate writes the server's certificate as a PEM file.
func writeCertificate(t *testing.T, path string, server *httptest.Server) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, pemOf(server), 0o600))
}
