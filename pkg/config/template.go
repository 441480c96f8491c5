package config

import (
	"strings"

	amtemplate "github.com/prometheus/alertmanager/template"
)

// loadTemplates reads the notification templates. What one of them refers to
// may be in another, and is looked up only when a notification is rendered.
func (l *loader) loadTemplates() {
	docs := l.docs.WithPrefix(TemplatesPrefix)
	if len(docs) == 0 {
		return
	}
	for _, doc := range docs {
		err := guard(func() error {
			parsed, err := amtemplate.New()
			if err != nil {
				return err
			}
			return parsed.Parse(strings.NewReader(doc.Content))
		})
		if err != nil {
			l.refuse(doc.Name, templateError{err}, nil)
			continue
		}
		l.out.Templates = append(l.out.Templates, Template{
			Name:    strings.TrimPrefix(doc.Name, TemplatesPrefix),
			Content: doc.Content,
		})
	}
}

// templateError words an error of a nameless template like those of the YAML
// libraries: `template: :3: unexpected "}"` becomes `line 3: unexpected "}"`.
type templateError struct{ err error }

func (e templateError) Error() string {
	for _, engine := range []string{"template: :", "html/template: :"} {
		if rest, ok := strings.CutPrefix(e.err.Error(), engine); ok {
			return "line " + rest
		}
	}
	return e.err.Error()
}

func (e templateError) Unwrap() error { return e.err }
