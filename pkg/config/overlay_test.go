package config

import (
	"errors"
	"testing"
	"time"

	amconfig "github.com/prometheus/alertmanager/config"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// addedReceiver is an overlay that puts a receiver with a webhook ahead of the
// operator's; its URL is the site's.
type addedReceiver struct{}

func (addedReceiver) Read(text string) (string, error) { return text, nil }

func (addedReceiver) Alertmanager(under Underlay) Overlaid {
	url := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: textOf(siteNode(under.Site), "$secret")}
	webhook := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Content: []*yaml.Node{mapping("url", url)}}
	name := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: "added"}
	for _, receivers := range values(under.Root, "receivers") {
		receivers.Content = append([]*yaml.Node{mapping("name", name, "webhook_configs", webhook)}, receivers.Content...)
	}
	for _, route := range values(under.Root, "route") {
		route.Content = append(route.Content, mapping("routes", inList("x", mapping("receiver", name)).Content[1]).Content...)
	}
	return Overlaid{
		Root:     under.Root,
		Problems: []string{"`setting`: from " + string(under.Provenance.Source)},
		Lost: func(i Integration) string {
			if i.Receiver != "added" {
				return ""
			}
			return "`setting`: " + i.Reason
		},
	}
}

func siteNode(site string) *yaml.Node {
	node, err := parseNodes(site)
	if err != nil {
		panic(err)
	}
	return node
}

const operatorDocument = `route:
  receiver: ours
receivers:
  - name: ours
    webhook_configs:
      - url: http://127.0.0.1/hook
      - urll: http://127.0.0.1/misspelt
`

func overlaidDocuments(alertmanager, site string) Documents {
	docs := Documents{AlertmanagerDocument: {
		Name: AlertmanagerDocument, Content: alertmanager, Provenance: Provenance{Source: SourceFile, Path: "/etc/alertmanager.yml"},
	}}
	docs[SiteConfigDocument] = Document{Name: SiteConfigDocument, Content: site, Provenance: Provenance{Source: SourceSiteConfig}}
	return docs
}

func TestLoad_OverlayRunsOverTheOperatorsDocument(t *testing.T) {
	docs := overlaidDocuments(operatorDocument, `{"$secret": "http://127.0.0.1/secret-path"}`)
	effective, err := Load(docs, LoadOptions{Overlay: addedReceiver{}})
	require.NoError(t, err)
	require.Equal(t, "added", effective.Alertmanager.Receivers[0].Name)
	require.Equal(t, "ours", effective.Alertmanager.Receivers[1].Name)
	require.Len(t, effective.Alertmanager.Receivers[1].WebhookConfigs, 1)
	require.Equal(t, []string{"`setting`: from file"}, effective.Problems)
	require.Len(t, effective.SetAside, 1)
	require.Equal(t, 7, effective.SetAside[0].Line, "the line that the operator wrote")
	require.Equal(t, docs, effective.Documents, "what was written stays what it was")

	effective, err = Load(docs, LoadOptions{})
	require.NoError(t, err)
	require.Len(t, effective.Alertmanager.Receivers, 1, "without the overlay the document means nothing")
}

func TestLoad_OverlayTellsWhatTheEngineRefuses(t *testing.T) {
	refuse := func(receiver amconfig.Receiver, _ []Template) error {
		if receiver.Name == "added" {
			return errors.New("cannot reach http://127.0.0.1/secret-path")
		}
		return nil
	}
	effective, err := Load(overlaidDocuments(operatorDocument, `{"$secret": "http://127.0.0.1/secret-path"}`),
		LoadOptions{Overlay: addedReceiver{}, CheckIntegration: refuse})
	require.NoError(t, err)
	require.Equal(t, []string{"`setting`: from file", "`setting`: cannot reach <secret>"}, effective.Problems)
	require.Len(t, effective.Lost, 2)
}

func TestLoad_OverlaidDocumentThatIsWrongIsRefusedAtTheOperatorsLine(t *testing.T) {
	const wrong = "route:\n  receiver: ours\n  group_wait: soon\nreceivers:\n  - name: ours\n"
	_, err := Load(overlaidDocuments(wrong, `{"$secret": "http://127.0.0.1/"}`), LoadOptions{Overlay: addedReceiver{}})
	var faults Faults
	require.ErrorAs(t, err, &faults)
	require.Equal(t, 3, faults[0].Line)
	_, err = Load(overlaidDocuments("route: [", "{}"), LoadOptions{Overlay: addedReceiver{}})
	require.ErrorAs(t, err, &faults)
	require.Equal(t, AlertmanagerDocument, faults[0].Document)
}

// under is an overlay that hides the operator's route behind its own.
type under struct{}

func (under) Read(text string) (string, error) { return text, nil }

func (under) Alertmanager(u Underlay) Overlaid {
	return Overlaid{Root: siteNode("route: {receiver: none}\nreceivers: [{name: none}]\n"), Under: u.Root}
}

func TestLoad_OverlaidDocumentMustRunAlone(t *testing.T) {
	for text, want := range map[string]Fault{
		"receivers: [{name: ours}]\n":                                             {AlertmanagerDocument, 0, "no routes provided"},
		"receivers: [{name: ours}]\nroute:\n  receiver: theirs\n":                 {AlertmanagerDocument, 3, `undefined receiver "theirs" used in route`},
		"route:\n  receiver: ours\n  group_wait: soon\nreceivers: [{name: ours}]": {AlertmanagerDocument, 3, `not a valid duration string: "soon"`},
		"receivers: {}\nroute: {receiver: ours}\n":                                {AlertmanagerDocument, 1, "cannot unmarshal !!map into []config.Receiver"},
	} {
		_, err := Load(overlaidDocuments(text, "{}"), LoadOptions{Overlay: under{}})
		require.Equal(t, Faults{want}, err)
	}
	_, err := Load(overlaidDocuments(operatorDocument, "{}"), LoadOptions{Overlay: under{}})
	require.NoError(t, err, "an integration can be set aside")
}

func TestLoad_RefusedIntegrationOfAnOverlayIsNoOperators(t *testing.T) {
	docs := overlaidDocuments("route: {receiver: ours}\nreceivers:\n  - name: ours\n", `{"$secret": "http://127.0.0.1/"}`)
	before := docs[AlertmanagerDocument]
	before.Content = "route: {receiver: added}\nreceivers:\n  - name: added\n    webhook_configs: [{url: 'http://127.0.0.1/operators'}]\n"
	refuse := func(receiver amconfig.Receiver, _ []Template) error {
		if string(receiver.WebhookConfigs[0].URL) == "http://127.0.0.1/" {
			return errors.New("no")
		}
		return nil
	}
	effective, err := Load(docs, LoadOptions{
		Overlay: addedReceiver{}, CheckIntegration: refuse,
		Previous: &Accepted{Documents: Documents{AlertmanagerDocument: before}},
	})
	require.NoError(t, err)
	require.Empty(t, effective.Alertmanager.Receivers[0].WebhookConfigs)
	require.Zero(t, effective.SetAside[0].Line, "nobody has written it")
}

func TestChange_OnlyItsSourceSetsTheSiteConfiguration(t *testing.T) {
	text := "{}"
	change := Change{Documents: map[string]*string{SiteConfigDocument: &text}, Provenance: Provenance{Source: SourceHTTP}}
	_, err := change.ApplyTo(nil, time.Now())
	require.ErrorContains(t, err, "only its own source sets and removes it")
	change.Provenance.Source = SourceSiteConfig
	docs, err := change.ApplyTo(nil, time.Now())
	require.NoError(t, err)
	require.Equal(t, "{}", docs[SiteConfigDocument].Content)
	removal := Change{Documents: map[string]*string{SiteConfigDocument: nil}, Provenance: Provenance{Source: SourceHTTP}}
	_, err = removal.ApplyTo(docs, time.Now())
	require.ErrorContains(t, err, "only its own source sets and removes it")
}

func TestMerge_KeepsWhatOtherSourcesHaveRead(t *testing.T) {
	merged, err := Merge(&Accepted{LastRead: map[string]string{"siteconfig": "abc", "/gone.yml": "def"}}, nil, time.Now())
	require.NoError(t, err)
	require.Equal(t, map[string]string{"siteconfig": "abc"}, merged.LastRead)
}

func TestRedact_HidesWhatASourceMarksAsSecret(t *testing.T) {
	doc := Document{Name: SiteConfigDocument, Content: "{\n  \"url\": {\"$secret\": \"http://x/y\"},\n  \"level\": \"critical\",\n  \"odd\": {\"$secret\": [1, {\"a\": \"b\"}]}\n}\n"}
	shown := Redact(doc)
	require.NotContains(t, shown, "http://x/y")
	require.NotContains(t, shown, `"b"`)
	require.Contains(t, shown, "critical")
}
