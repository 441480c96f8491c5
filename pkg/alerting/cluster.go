package alerting

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"reflect"
	"time"
	"unsafe"

	"github.com/prometheus/alertmanager/cluster"
	"github.com/prometheus/client_golang/prometheus"
)

// newPeer binds the cluster's listener; nil means that there is no cluster.
func newPeer(opts ClusterOptions, log *slog.Logger, reg prometheus.Registerer) (*cluster.Peer, error) {
	if opts.ListenAddress == "" {
		return nil, nil
	}
	tls, err := cluster.GetTLSTransportConfig(opts.TLSConfigFile)
	if err != nil {
		return nil, fmt.Errorf("read TLS configuration of the cluster %q: %w", opts.TLSConfigFile, err)
	}
	if err := checkFree(opts.ListenAddress); err != nil {
		return nil, fmt.Errorf("listen for the cluster: %w", err)
	}
	peer, err := cluster.Create(
		log.With("component", "cluster"),
		reg,
		opts.ListenAddress,
		opts.AdvertiseAddress,
		opts.Peers,
		true,
		opts.PushPullInterval,
		opts.GossipInterval,
		opts.TCPTimeout,
		opts.PeersResolveTimeout,
		opts.ProbeTimeout,
		opts.ProbeInterval,
		tls,
		opts.AllowInsecureAdvertise,
		opts.Label,
		opts.PeerName,
	)
	if err != nil {
		return nil, fmt.Errorf("join cluster at %q: %w", opts.ListenAddress, err)
	}
	return peer, nil
}

// checkFree finds out that an address is taken before upstream does, which leaves
// a goroutine behind then.
func checkFree(address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	return listener.Close()
}

// settle joins the peers and then waits until their number is steady, or ctx is
// done; until then no notification is sent.
func settle(ctx context.Context, peer *cluster.Peer, opts ClusterOptions, log *slog.Logger) {
	if err := peer.Join(opts.ReconnectInterval, opts.ReconnectTimeout); err != nil {
		log.Warn("Cluster not joined yet; it is tried again", "err", err)
	}
	ctx, cancel := context.WithTimeout(ctx, opts.SettleTimeout)
	defer cancel()
	peer.Settle(ctx, 10*opts.GossipInterval)
}

// leave tells the peers, and then closes the listener, which upstream never does:
// its Peer.Leave goes on listening until the process ends. Peers that do not hear
// of it find out by their probes, so that is no failure of the stop.
func leave(peer *cluster.Peer, timeout time.Duration, log *slog.Logger) error {
	if err := peer.Leave(timeout); err != nil {
		log.Warn("Not all peers were told that this one leaves the cluster; their probes will find out", "err", err)
	}
	return shutdown(peer)
}

// shutdown closes the memberlist inside a peer. The field is not exported and
// nothing exported leads to it; TestCluster_StopFreesAddress guards this.
func shutdown(peer *cluster.Peer) error {
	field := reflect.ValueOf(peer).Elem().FieldByName("mlist")
	if !field.IsValid() {
		return errors.New("the cluster's listener cannot be closed: this version of Alertmanager keeps it elsewhere")
	}
	list, ok := reflect.TypeAssert[interface{ Shutdown() error }](reflect.NewAt(field.Type(), unsafe.Pointer(field.UnsafeAddr())).Elem())
	if !ok {
		return errors.New("the cluster's listener cannot be closed: this version of Alertmanager has another one")
	}
	return list.Shutdown()
}

// position is how long this process waits until it sends a notification: one
// timeout for each peer before it, so that the log entry of that peer arrives
// first. See app/cluster.go of Alertmanager.
func position(peer *cluster.Peer, timeout time.Duration) func() time.Duration {
	if peer == nil {
		return func() time.Duration { return 0 }
	}
	return func() time.Duration { return time.Duration(peer.Position()) * timeout }
}
