package main

import (
	"slices"
	"strings"

	remoteapi "github.com/prometheus/client_golang/exp/api/remote"

	"github.com/sourcegraph/srcprom/pkg/web"
)

// addWeb adds the flags of the HTTP surface.
func (f *flags) addWeb(o *web.Options) {
	f.group("Web", "")
	f.texts("web.listen-address", "Address to listen on for everything: UI, both APIs, telemetry. Can be repeated.", &o.ListenAddresses)
	f.yes("web.systemd-socket", "Take the listening sockets from systemd (socket activation) instead of --web.listen-address.", &o.SystemdSocket)
	f.text("web.config.file", "Path of the web configuration file: TLS, client certificates, basic authentication.", &o.WebConfigFile)
	f.duration("web.read-timeout", "Longest time to read a request, and to keep an idle connection. 0 means no bound.", &o.ReadTimeout)
	f.integer("web.max-connections", "Maximum number of simultaneous connections across all listeners.", &o.MaxConnections)
	f.integer("web.max-notifications-subscribers", "Maximum number of concurrent subscribers of live notifications; more are refused.", &o.MaxNotificationsSubscribers)
	f.text("web.external-url", "URL under which others reach this server, for example through a reverse proxy. Links in notifications begin with it; Alertmanager's are derived from it. Without it, the host's name and the port of the first listener.", &o.ExternalURL).PlaceHolder("<URL>")
	f.text("web.route-prefix", "Prefix of all paths that are served. Defaults to the path of --web.external-url.", &o.RoutePrefix).PlaceHolder("<path>")
	f.text("web.page-title", "Title of the HTML pages.", &o.PageTitle)
	f.text("web.cors.origin", `Regular expression, fully anchored, of the origins whose scripts may read the APIs. Example: 'https?://(domain1|domain2)\.com'.`, &o.CORSOrigin)
	f.yes("web.enable-lifecycle", "Allow reload and shutdown through HTTP, /alertmanager/-/reload included.", &o.EnableLifecycle)
	f.yes("web.enable-admin-api", "Allow deletion of series, snapshots and backups through HTTP.", &o.EnableAdminAPI)
	f.yes("web.enable-config-api", "Allow reading, planning, applying and rolling back the configuration through HTTP.", &o.EnableConfigAPI)
	f.yes("web.enable-remote-write-receiver", "Accept remote write.", &o.EnableRemoteWriteReceiver)
	f.messages("web.remote-write-receiver.accepted-protobuf-messages", "Remote write message to accept. Can be repeated.", &o.AcceptedRemoteWriteMessages)
	f.yes("web.enable-otlp-receiver", "Accept metrics in OTLP.", &o.EnableOTLPReceiver)
	f.integer("web.search.max-limit", "Upper bound of the limit that a request to the search API (--enable-feature=search-api) may name. 0 means no bound.", &o.MaxSearchLimit)
	f.integer("storage.remote.read-sample-limit", "Maximum number of samples that one remote read returns. 0 means no limit. Streamed answers are not limited.", &o.RemoteReadSampleLimit)
	f.integer("storage.remote.read-concurrent-limit", "Maximum number of concurrent remote reads. 0 means no limit.", &o.RemoteReadConcurrencyLimit)
	f.integer("storage.remote.read-max-bytes-in-frame", "Maximum number of bytes in one frame of a streamed remote read, before it is encoded.", &o.RemoteReadBytesInFrame)
}

func (f *flags) messages(name, help string, target *remoteapi.MessageTypes) {
	clause := f.flag(name, help).Default(target.Strings()...)
	*target = nil
	clause.SetValue((*messageTypes)(target))
}

// messageTypes is a flag that may be repeated.
type messageTypes remoteapi.MessageTypes

func (m *messageTypes) Set(text string) error {
	message := remoteapi.WriteMessageType(text)
	if err := message.Validate(); err != nil {
		return err
	}
	if !slices.Contains(*m, message) {
		*m = append(*m, message)
	}
	return nil
}

func (m *messageTypes) String() string {
	return strings.Join(remoteapi.MessageTypes(*m).Strings(), ",")
}

// IsCumulative tells kingpin that the flag may be repeated.
func (*messageTypes) IsCumulative() bool { return true }
