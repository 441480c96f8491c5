package e2e

import (
	"net"
	"testing"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/require"
)

// names answers DNS queries for A and SRV records from a table.
func (c *container) names(addresses map[string]string, services map[string]dns.SRV) {
	c.t.Helper()
	var conn net.PacketConn
	var err error
	c.within(func() { conn, err = net.ListenPacket("udp", "127.0.0.1:53") })
	require.NoError(c.t, err)
	server := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, query *dns.Msg) {
		reply := new(dns.Msg).SetReply(query)
		for _, q := range query.Question {
			header := dns.RR_Header{Name: q.Name, Rrtype: q.Qtype, Class: dns.ClassINET}
			address, isHost := addresses[q.Name]
			srv, isService := services[q.Name]
			switch {
			case q.Qtype == dns.TypeA && isHost:
				reply.Answer = append(reply.Answer, &dns.A{Hdr: header, A: net.ParseIP(address)})
			case q.Qtype == dns.TypeSRV && isService:
				srv.Hdr = header
				reply.Answer = append(reply.Answer, &srv)
			case !isHost && !isService:
				reply.Rcode = dns.RcodeNameError
			}
		}
		_ = w.WriteMsg(reply)
	})}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.ActivateAndServe() // it ends with the shutdown
	}()
	c.t.Cleanup(func() {
		require.NoError(c.t, server.Shutdown())
		<-ended
	})
}

// The variant for clusters that let nobody ask their API: discovery by DNS.
func TestImage_KustomizeDeploymentWithDNSStartsUnchanged(t *testing.T) {
	t.Parallel()
	c := newContainer(t)
	c.deployment("kustomize-dns", nil)
	c.names(map[string]string{
		"cadvisor.": "127.0.0.1", "node-exporter.": "127.0.0.2", "sourcegraph-frontend.": "127.0.0.1", "worker.": "127.0.0.2",
		"gitserver-0.gitserver.": "127.0.0.1", "indexed-search-0.indexed-search.": "127.0.0.1",
	}, map[string]dns.SRV{
		"_debug._tcp.gitserver.":      {Target: "gitserver-0.gitserver.", Port: 6060},
		"_debug._tcp.indexed-search.": {Target: "indexed-search-0.indexed-search.", Port: 6070},
	})
	p := c.run([]string{"SG_NAMESPACE=sourcegraph"})
	p.awaitReady()
	p.requireLoaded("kustomize-dns")
	want := map[string]bool{
		"http://127.0.0.1:48080/metrics": true, "http://127.0.0.2:48080/metrics": true,
		"http://gitserver-0.gitserver:6060/metrics": true, "http://indexed-search-0.indexed-search:6070/metrics": true,
		"http://127.0.0.1:6060/metrics": true, "http://127.0.0.2:6060/metrics": true,
		"http://127.0.0.1:9092/metrics": true, "http://127.0.0.1:9093/alertmanager/metrics": true,
	}
	p.await("all targets to be found", func() bool { return len(p.targets()) == len(want) })
	for _, target := range p.targets() {
		require.Contains(t, want, target.ScrapeURL)
	}
	p.stop()
}
