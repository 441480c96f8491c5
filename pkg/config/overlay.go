package config

import (
	"sync"

	"go.yaml.in/yaml/v3"
)

// Overlay computes a part of what runs from a document that only one source makes,
// and whose format this package does not know: [SiteConfigDocument].
type Overlay interface {
	// Read makes the document of the text that people write. It keeps what is used of
	// it and nothing else, as JSON in which {"$secret": …} stands around each value
	// that must not be shown.
	Read(text string) (document string, err error)
	// Alertmanager returns the alertmanager document that is to run. It depends on its
	// arguments alone.
	Alertmanager(Underlay) Overlaid
}

// Underlay is what an [Overlay] computes the alertmanager document from.
type Underlay struct {
	// Site is the content of the source's own document; empty when there is none yet.
	Site string
	// Root is the operator's own alertmanager document, without aliases; an empty
	// mapping when there is none. It may be changed.
	Root *yaml.Node
	// Provenance says where Root came from.
	Provenance Provenance
}

// Overlaid is what an [Overlay] has computed.
type Overlaid struct {
	// Root is the alertmanager document that is to run. Nodes that are the operator's
	// keep their lines.
	Root *yaml.Node
	// Under is what of the operator's document runs under it. It must be able to run
	// alone, or else the document is refused. It shares no node with Root. Nil means that there
	// is none, or that Root is it.
	Under *yaml.Node
	// Problems are the entries of the source's document, or of the operator's under
	// it, that could not be used, in words for who wrote them.
	Problems []string
	// Lost says the same of an integration that the engine has refused; empty when it
	// is not one of the source's.
	Lost func(Integration) string
}

// overlay puts the source's document over the operator's: the text that is to be
// read instead of it.
func (l *loader) overlay(doc Document) (text string, ok bool) {
	if l.opts.Overlay == nil {
		return doc.Content, true
	}
	root, err := parseNodes(doc.Content)
	if err != nil {
		l.refuse(AlertmanagerDocument, err, nil)
		return "", false
	}
	over := l.opts.Overlay.Alertmanager(Underlay{
		Site:       l.docs[SiteConfigDocument].Content,
		Root:       root,
		Provenance: doc.Provenance,
	})
	if over.Under != nil && !l.runsAlone(over.Under) {
		return "", false
	}
	text, err = encodeNode(over.Root)
	if err != nil {
		l.refuse(AlertmanagerDocument, err, nil)
		return "", false
	}
	l.out.Problems = over.Problems
	l.lost = over.Lost
	l.origin = sync.OnceValue(func() lineMap { return mapLines(over.Root, text) })
	return text, true
}

// runsAlone refuses a document that could not run without what is laid over it,
// which may hide its faults. Its integrations do not matter: each of them can be set
// aside.
func (l *loader) runsAlone(root *yaml.Node) bool {
	splitIntegrations(root)
	text, err := encodeNode(root)
	if err == nil {
		_, err = l.parseAlertmanager(text)
	}
	if err != nil {
		l.refuse(AlertmanagerDocument, err, mapLines(root, text))
		return false
	}
	return true
}

// isOverlaid tells whether an integration comes from the source, and not from the
// operator.
func (l *loader) isOverlaid(integration Integration) bool {
	return l.lost != nil && l.lost(integration) != ""
}

// lostProblems tells of the integrations that the engine has refused, in the
// words of the source that they came from.
func (l *loader) lostProblems() {
	if l.lost == nil {
		return
	}
	for _, integration := range l.out.Lost {
		if text := l.lost(integration); text != "" {
			l.out.Problems = append(l.out.Problems, text)
		}
	}
}
