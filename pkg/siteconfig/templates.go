package siteconfig

import (
	"regexp"
	"strconv"
	"strings"
)

// What all notifiers say, as templates of the engine. They are written into each
// receiver, so that an operator's templates cannot change them.
const (
	firing   = `{{ if eq .Status "firing" }}`
	resolved = `{{ else }}`
	end      = `{{ end }}`

	title = firing + `[{{ toUpper .CommonLabels.level }}] {{ .CommonLabels.description }}` +
		resolved + `[RESOLVED] {{ .CommonLabels.description }}` + end

	subject = `{{ title .CommonLabels.level }} alert '{{ .CommonLabels.name }}'`
	service = `for service '{{ .CommonLabels.service_name }}'`
	owner   = `{{ with .CommonLabels.owner }} ({{ . }}){{ end }}`

	firingBody   = subject + ` is firing ` + service + owner + `.`
	resolvedBody = subject + ` ` + service + ` has resolved.`

	body = firing + firingBody + resolved + resolvedBody + end

	// timePart shows the dashboard around the time of the first alert.
	timePart = `{{ with .Alerts }}{{ with index . 0 }}` +
		`{{ if gt .EndsAt.Unix 0 }}from={{ .StartsAt.Unix }}000&to={{ .EndsAt.Unix }}000` +
		`{{ else }}time={{ .StartsAt.Unix }}000&time.window=3600000{{ end }}` +
		`{{ end }}{{ end }}`
	// panelPart is left out where alerts of several panels share a group.
	panelPart = `{{ with .CommonLabels.grafana_panel_id }}viewPanel={{ . }}&{{ end }}`
)

// links are templates of where to read on.
type links struct {
	docs      string
	dashboard string // empty when nobody knows where the dashboards are
}

// underscoresSince is the minor version 6.x whose documentation keeps the
// underscores of names in its anchors; before, they were hyphens.
const underscoresSince = 11

var semver = regexp.MustCompile(`^v?((\d+)\.(\d+)\.\d+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?)$`)

// developmentVersion has no documentation of its own.
const developmentVersion = "0.0.0+dev"

func newLinks(opts Options, externalURL string) links {
	docs := strings.TrimRight(opts.DocsURL, "/")
	name := `{{ .CommonLabels.name }}`
	if v := semver.FindStringSubmatch(opts.Version); v != nil && v[1] != developmentVersion {
		docs += "/@v" + v[1]
		if hyphens(v[2], v[3]) {
			name = `{{ reReplaceAll "_" "-" .CommonLabels.name }}`
		}
	}
	l := links{docs: literal(docs) + `/admin/observability/alerts#{{ .CommonLabels.service_name }}-` + name}
	if externalURL != "" {
		l.dashboard = literal(strings.TrimRight(externalURL, "/")) +
			`/-/debug/grafana/d/{{ .CommonLabels.service_name }}/{{ .CommonLabels.service_name }}?` + panelPart + timePart
	}
	return l
}

func hyphens(majorText, minorText string) bool {
	major, errMajor := strconv.Atoi(majorText)
	minor, errMinor := strconv.Atoi(minorText)
	return errMajor == nil && errMinor == nil && (major < 6 || major == 6 && minor < underscoresSince)
}

// literal is a template that renders to a text.
func literal(text string) string {
	return strings.ReplaceAll(text, "{{", `{{"{{"}}`)
}

// What links are called.
const (
	docsLabel      = "Next steps"
	dashboardLabel = "Dashboard"
)

// bodyWithLinks is the body in which links stand on lines of their own.
func (l links) bodyWithLinks() string {
	text := firing + firingBody + "\n\n" + docsLabel + ": " + l.docs
	if l.dashboard != "" {
		text += "\n" + dashboardLabel + ": " + l.dashboard
	}
	return text + resolved + resolvedBody + end
}

// html is the body with links as HTML. The engine escapes what it fills in.
func (l links) html() string {
	return "<body>" + strings.ReplaceAll(l.bodyWithLinks(), "&", "&amp;") + "</body>"
}

// markdown is the body with links in Markdown, of which a paragraph is the least
// that separates lines.
func (l links) markdown() string {
	text := firing + firingBody + "\n\n[" + docsLabel + "](" + l.docs + ")"
	if l.dashboard != "" {
		text += " | [" + dashboardLabel + "](" + l.dashboard + ")"
	}
	return text + resolved + resolvedBody + end
}
