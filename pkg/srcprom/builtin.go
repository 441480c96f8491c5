package srcprom

import (
	"bytes"
	_ "embed"
	"maps"
	"net"
	"path"
	"slices"
	"strings"
	"text/template"

	"github.com/sourcegraph/srcprom/pkg/config"
)

//go:embed builtin/prometheus.yml
var builtinPrometheus string

// selfHost is the host under which scrape jobs reach this very process,
// see [Server.dial]. The top-level domain is reserved for such use.
const selfHost = "self.srcprom.internal"

// builtinDocuments returns what is watched without being asked, by a server that
// listens on the given address and serves below the given prefix.
func builtinDocuments(address, prefix string) (config.Documents, error) {
	prometheus, err := template.New("builtin/prometheus.yml").Parse(builtinPrometheus)
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	err = prometheus.Execute(&text, map[string]string{
		"Prefix":   prefix,
		"Target":   selfHost + ":80",
		"Instance": instance(address),
	})
	if err != nil {
		return nil, err
	}
	provenance := config.Provenance{Source: config.SourceBuiltin}
	return config.Documents{
		config.PrometheusDocument: {Name: config.PrometheusDocument, Content: text.String(), Provenance: provenance},
	}, nil
}

// instance is the listen address as it can be connected to from this host.
func instance(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

// withBuiltin adds the built-in documents that no other source has given. Rule files
// of one name are one, whichever directory they are in.
func withBuiltin(docs, builtin config.Documents) config.Documents {
	all := maps.Clone(docs)
	for name, doc := range builtin {
		if _, given := docs[name]; !given && !hasRuleFile(docs, name) {
			all[name] = doc
		}
	}
	return all
}

func hasRuleFile(docs config.Documents, name string) bool {
	return strings.HasPrefix(name, config.RulesPrefix) && slices.ContainsFunc(docs.WithPrefix(config.RulesPrefix), func(doc config.Document) bool {
		return path.Base(doc.Name) == path.Base(name)
	})
}

// withoutBuiltin removes them again: they are made anew at each start, and are
// never kept.
func withoutBuiltin(docs config.Documents) config.Documents {
	kept := maps.Clone(docs)
	maps.DeleteFunc(kept, func(_ string, doc config.Document) bool {
		return doc.Provenance.Source == config.SourceBuiltin
	})
	return kept
}
