package main

import (
	"strings"

	"github.com/sourcegraph/srcprom/pkg/siteconfig"
)

// siteConfigPrefix begins the names of the flags that switch the site configuration
// on, all of them.
const siteConfigPrefix = "siteconfig."

// addSiteConfig adds the flags of the site configuration of a Sourcegraph instance.
func (f *flags) addSiteConfig(o *siteconfig.Options) {
	f.group("Sourcegraph", "Where the site configuration comes from that becomes receivers, routes and silences: see [site configuration](site-configuration.md). Each of these flags switches that on.")
	f.flag("siteconfig.url", "Internal address of the Sourcegraph frontend: host, host:port or URL. Without a scheme it is http, without a port 80, or 443 for https. Empty means that nothing is fetched.").
		PlaceHolder("<address>").SetValue((*address)(&o.URL))
	f.oneOf("siteconfig.protocol", "How it is fetched: by grpc, by http, or, with auto, by the one that the frontend answers.", &o.Protocol,
		siteconfig.ProtocolAuto, siteconfig.ProtocolGRPC, siteconfig.ProtocolHTTP)
	f.text("siteconfig.file", "Path of a site configuration, JSON with comments, that is read and watched. Nothing is fetched then.", &o.File).PlaceHolder("<path>")
	f.duration("siteconfig.poll-interval", "Longest time between two fetches; each time one between 0 and this is chosen at random.", &o.PollInterval)
	f.text("siteconfig.docs-url", "What links to the documentation of alerts begin with.", &o.DocsURL)
	f.text("siteconfig.sourcegraph-version", "Version of Sourcegraph whose documentation they lead to. Empty means the newest.", &o.Version).PlaceHolder("<version>")
}

// address is the value of a flag that names an address. Who logs in there, which is
// refused later, is not shown.
type address string

// Set implements kingpin.Value.
func (a *address) Set(text string) error {
	*a = address(text)
	return nil
}

// String implements kingpin.Value.
func (a *address) String() string {
	if i := strings.LastIndex(string(*a), "@"); i >= 0 {
		return "<secret>" + string((*a)[i:])
	}
	return string(*a)
}
