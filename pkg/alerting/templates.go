package alerting

import (
	"fmt"
	tmplhtml "html/template"
	"net/url"
	"path"
	tmpltext "text/template"

	"github.com/prometheus/alertmanager/template"

	"github.com/sourcegraph/srcprom/pkg/config"
)

// newTemplate has upstream's default templates and then the given ones. As
// upstream's FromGlob does with files, it defines each also under its base name.
func newTemplate(templates []config.Template, externalURL *url.URL) (*template.Template, error) {
	// Parse of template.Template knows no names, so we reach for what is inside.
	var text *tmpltext.Template
	var html *tmplhtml.Template
	t, err := template.FromGlobs(nil, func(t *tmpltext.Template, h *tmplhtml.Template) { text, html = t, h })
	if err != nil {
		return nil, fmt.Errorf("parse default templates: %w", err)
	}
	t.ExternalURL = externalURL
	for _, given := range templates {
		name := path.Base(given.Name)
		if _, err := text.New(name).Parse(given.Content); err != nil {
			return nil, fmt.Errorf("parse template %q: %w", given.Name, err)
		}
		if _, err := html.New(name).Parse(given.Content); err != nil {
			return nil, fmt.Errorf("parse template %q: %w", given.Name, err)
		}
	}
	return t, nil
}
