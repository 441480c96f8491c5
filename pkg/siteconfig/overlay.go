package siteconfig

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/sourcegraph/srcprom/pkg/config"
)

// overlay is the [config.Overlay] of a site configuration. It holds settings alone,
// and no two translations share anything.
type overlay struct{ opts Options }

func newOverlay(o Options) *overlay { return &overlay{opts: o} }

// Read implements [config.Overlay].
func (*overlay) Read(text string) (document string, err error) { return readDocument(text) }

// Alertmanager implements [config.Overlay]: always the whole site configuration
// becomes the whole document.
func (o *overlay) Alertmanager(under config.Underlay) config.Overlaid {
	operator := newOperator(under, o.opts.RewrittenFile)
	alone := operator.alone()
	if under.Site == "" {
		if alone == nil {
			alone = bakedDocument()
		}
		return config.Overlaid{Root: alone}
	}
	document, err := decodeDocument(under.Site)
	var problems []string
	if err != nil {
		problems = append(problems, problem("observability", "the site configuration that was kept is damaged: save it again"))
	}
	t := newTranslation(o.opts, document, operator)
	root, collisions := operator.beneath(t)
	return config.Overlaid{
		Root:     root,
		Under:    clone(alone),
		Problems: append(append(problems, t.problems...), collisions...),
		Lost:     t.lost,
	}
}

// decodeDocument reads what readDocument has made.
func decodeDocument(document string) (map[string]any, error) {
	decoder := json.NewDecoder(strings.NewReader(document))
	decoder.UseNumber()
	var values map[string]any
	if err := decoder.Decode(&values); err != nil {
		return nil, fmt.Errorf("read the document of a site configuration: %w", err)
	}
	return values, nil
}
