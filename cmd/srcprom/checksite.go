package main

import (
	"errors"
	"os"
	"time"

	"github.com/sourcegraph/srcprom/pkg/alerting"
	"github.com/sourcegraph/srcprom/pkg/config"
	"github.com/sourcegraph/srcprom/pkg/siteconfig"
)

// checkSite checks a site configuration as it would be translated where no
// alertmanager.yml lies under it. What it says cannot be used of it is wrong, though a
// server goes on with the rest.
func (c *checker) checkSite(path string) {
	text, err := os.ReadFile(path)
	if err != nil {
		c.complain(path, 0, reasonOf(err))
		return
	}
	problems, err := c.problemsOf(string(text))
	faults, ok := errors.AsType[config.Faults](err)
	switch {
	case ok:
		for _, fault := range faults {
			c.complain(path, fault.Line, fault.Reason)
		}
	case err != nil:
		c.complain(path, 0, err.Error())
	case len(problems) == 0:
		c.say(path + ": OK")
	}
	for _, problem := range problems {
		c.complain(path, 0, problem)
	}
}

// problemsOf are those of a site configuration.
func (c *checker) problemsOf(text string) ([]string, error) {
	sub, err := siteconfig.New(c.site)
	if err != nil {
		return nil, err
	}
	document, err := sub.Overlay().Read(text)
	if err != nil {
		return nil, err
	}
	docs, err := config.Change{
		Documents:  map[string]*string{config.SiteConfigDocument: &document},
		Provenance: config.Provenance{Source: config.SourceSiteConfig},
	}.ApplyTo(nil, time.Now())
	if err != nil {
		return nil, err
	}
	effective, err := config.Load(docs, config.LoadOptions{
		Overlay: sub.Overlay(), Parser: c.parser, CheckIntegration: alerting.CheckIntegration,
	})
	if err != nil {
		return nil, err
	}
	return effective.Problems, nil
}
