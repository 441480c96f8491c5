package main

import "github.com/sourcegraph/srcprom/pkg/alerting"

// clusterAddress is where Alertmanager listens for its peers when nothing else is said.
const clusterAddress = "0.0.0.0:9094"

// addCluster adds the flags of the gossip cluster under Alertmanager's own names.
func (f *flags) addCluster(o *alerting.ClusterOptions) {
	f.group("Cluster", "Alertmanager's gossip cluster, with other servers and with Alertmanagers. It is off unless --cluster.listen-address is given.")
	f.text("cluster.listen-address", "Address to listen on for peers, "+clusterAddress+" for example. Empty means no cluster.", &o.ListenAddress)
	f.text("cluster.advertise-address", "Address that peers are told. Without it, one is found out.", &o.AdvertiseAddress)
	f.text("cluster.peer-name", "Name in the cluster. Without it, a random one.", &o.PeerName)
	f.texts("cluster.peer", "Address of a peer to join at the start. Can be repeated.", &o.Peers)
	f.duration("cluster.peer-timeout", "How much longer each peer waits than the one before it until it sends a notification.", &o.PeerTimeout)
	f.duration("cluster.peers-resolve-timeout", "Time to resolve the names of the peers.", &o.PeersResolveTimeout)
	f.duration("cluster.gossip-interval", "Interval between gossip messages.", &o.GossipInterval)
	f.duration("cluster.pushpull-interval", "Interval between full exchanges of state.", &o.PushPullInterval)
	f.duration("cluster.tcp-timeout", "Timeout of connecting to a peer, and of each exchange with it.", &o.TCPTimeout)
	f.duration("cluster.probe-timeout", "Time in which a probed peer has to answer.", &o.ProbeTimeout)
	f.duration("cluster.probe-interval", "Interval between probes of random peers.", &o.ProbeInterval)
	f.duration("cluster.settle-timeout", "Longest time that notifications wait for the cluster to settle at the start.", &o.SettleTimeout)
	f.duration("cluster.reconnect-interval", "Interval between attempts to reach lost peers.", &o.ReconnectInterval)
	f.duration("cluster.reconnect-timeout", "Time after which a lost peer is given up.", &o.ReconnectTimeout)
	f.text("cluster.tls-config", "Path of the file that turns on mutual TLS between peers. Experimental.", &o.TLSConfigFile)
	f.yes("cluster.allow-insecure-public-advertise-address-discovery", "Allow a public address to be found out and advertised. Experimental.", &o.AllowInsecureAdvertise)
	f.text("cluster.label", "Label of the cluster; peers with another one are refused.", &o.Label)
}
