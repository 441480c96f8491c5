package siteconfig

import (
	"testing"
	"time"

	"github.com/prometheus/alertmanager/template"
	"github.com/stretchr/testify/require"
)

var (
	began = time.Unix(1_700_000_000, 0)
	ended = time.Unix(1_700_000_600, 0)
)

// notification is the engine's data of one alert.
func notification(status string, labels template.KV) *template.Data {
	alert := template.Alert{Status: status, Labels: labels, StartsAt: began}
	if status == "resolved" {
		alert.EndsAt = ended
	}
	return &template.Data{Status: status, Alerts: template.Alerts{alert}, CommonLabels: labels}
}

func render(t *testing.T, text string, data *template.Data) string {
	t.Helper()
	engine, err := template.New()
	require.NoError(t, err)
	out, err := engine.ExecuteTextString(text, data)
	require.NoError(t, err)
	return out
}

func diskSpace() template.KV {
	return template.KV{
		"level": "critical", "name": "disk_space_remaining", "service_name": "gitserver", "owner": "source",
		"description": "gitserver: less than 15% disk space", "grafana_panel_id": "100020",
	}
}

func TestTemplates_FiringAndResolved(t *testing.T) {
	l := newLinks(DefaultOptions(), "https://sourcegraph.example.com")
	firing, resolved := notification("firing", diskSpace()), notification("resolved", diskSpace())
	const (
		firingSentence   = "Critical alert 'disk_space_remaining' is firing for service 'gitserver' (source)."
		resolvedSentence = "Critical alert 'disk_space_remaining' for service 'gitserver' has resolved."
		docs             = "https://sourcegraph.com/docs/admin/observability/alerts#gitserver-disk_space_remaining"
		dashboard        = "https://sourcegraph.example.com/-/debug/grafana/d/gitserver/gitserver?viewPanel=100020&time=1700000000000&time.window=3600000"
	)
	require.Equal(t, "[CRITICAL] gitserver: less than 15% disk space", render(t, title, firing))
	require.Equal(t, "[RESOLVED] gitserver: less than 15% disk space", render(t, title, resolved))
	require.Equal(t, firingSentence, render(t, body, firing))
	require.Equal(t, resolvedSentence, render(t, body, resolved))
	require.Equal(t, docs, render(t, l.docs, firing))
	require.Equal(t, dashboard, render(t, l.dashboard, firing))
	require.Equal(t, "https://sourcegraph.example.com/-/debug/grafana/d/gitserver/gitserver?viewPanel=100020&from=1700000000000&to=1700000600000",
		render(t, l.dashboard, resolved))
	require.Equal(t, firingSentence+"\n\nNext steps: "+docs+"\nDashboard: "+dashboard, render(t, l.bodyWithLinks(), firing))
	require.Equal(t, resolvedSentence, render(t, l.bodyWithLinks(), resolved))
	require.Equal(t, firingSentence+"\n\n[Next steps]("+docs+") | [Dashboard]("+dashboard+")", render(t, l.markdown(), firing))
	require.Equal(t, resolvedSentence, render(t, l.markdown(), resolved))
}

func TestTemplates_HTMLEscapesWhatIsFilledIn(t *testing.T) {
	labels := diskSpace()
	labels["name"] = "<script>"
	engine, err := template.New()
	require.NoError(t, err)
	l := newLinks(DefaultOptions(), "https://sourcegraph.example.com")
	out, err := engine.ExecuteHTMLString(l.html(), notification("firing", labels))
	require.NoError(t, err)
	require.Contains(t, out, "<body>Critical alert '&lt;script&gt;' is firing")
	require.Contains(t, out, "viewPanel=100020&amp;time=1700000000000&amp;time.window=3600000</body>")
	out, err = engine.ExecuteHTMLString(l.html(), notification("resolved", labels))
	require.NoError(t, err)
	require.NotContains(t, out, "https://")
}

func TestTemplates_GroupWithoutAPanelLinksToTheDashboard(t *testing.T) {
	labels := diskSpace()
	delete(labels, "grafana_panel_id")
	delete(labels, "owner")
	l := newLinks(DefaultOptions(), "https://sourcegraph.example.com")
	require.Equal(t, "https://sourcegraph.example.com/-/debug/grafana/d/gitserver/gitserver?time=1700000000000&time.window=3600000",
		render(t, l.dashboard, notification("firing", labels)))
	require.Equal(t, "Critical alert 'disk_space_remaining' is firing for service 'gitserver'.", render(t, body, notification("firing", labels)))
	data := notification("firing", labels)
	data.Alerts = nil
	require.Equal(t, "https://sourcegraph.example.com/-/debug/grafana/d/gitserver/gitserver?", render(t, l.dashboard, data))
}

func TestTemplates_DocsLinkFollowsTheVersion(t *testing.T) {
	for version, want := range map[string]string{
		"":            "https://sourcegraph.com/docs/admin/observability/alerts#gitserver-disk_space_remaining",
		"0.0.0+dev":   "https://sourcegraph.com/docs/admin/observability/alerts#gitserver-disk_space_remaining",
		"insiders":    "https://sourcegraph.com/docs/admin/observability/alerts#gitserver-disk_space_remaining",
		"5.5.0":       "https://sourcegraph.com/docs/@v5.5.0/admin/observability/alerts#gitserver-disk-space-remaining",
		"v6.10.2":     "https://sourcegraph.com/docs/@v6.10.2/admin/observability/alerts#gitserver-disk-space-remaining",
		"6.11.0":      "https://sourcegraph.com/docs/@v6.11.0/admin/observability/alerts#gitserver-disk_space_remaining",
		"7.2.0-rc.1":  "https://sourcegraph.com/docs/@v7.2.0-rc.1/admin/observability/alerts#gitserver-disk_space_remaining",
		"10.0.0+b{{}": "https://sourcegraph.com/docs/admin/observability/alerts#gitserver-disk_space_remaining",
	} {
		opts := DefaultOptions()
		opts.Version = version
		require.Equal(t, want, render(t, newLinks(opts, "").docs, notification("firing", diskSpace())), "version %q", version)
	}
}

func TestTemplates_LiteralRendersToItself(t *testing.T) {
	for _, text := range []string{"", "plain", "{{ .CommonLabels }}", "{{{", "}}", "{{- `a` -}}", "a{{{{b"} {
		require.Equal(t, text, render(t, literal(text), notification("firing", diskSpace())), "%q", text)
	}
}

func TestTemplates_OpsgenieTagsAndPriority(t *testing.T) {
	site := `{"observability.alerts": [{"level": "warning", "notifier": {"type": "opsgenie", "apiKey": "k"}}]}`
	built := load(t, DefaultOptions(), site, nil).effective.Alertmanager.Receivers[1].OpsGenieConfigs[0]
	for level, priority := range map[string]string{"critical": "P1", "warning": "P2", "info": "P3", "": "P4"} {
		data := notification("firing", template.KV{"level": level, "a": "b"})
		require.Equal(t, priority, render(t, built.Priority, data))
		require.Equal(t, "a=b,level="+level+",", render(t, built.Tags, data))
	}
}
