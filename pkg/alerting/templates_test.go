package alerting

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/config"
)

func TestNewTemplate_OwnTemplatesStandBesideTheDefaultOnes(t *testing.T) {
	tmpl, err := newTemplate([]config.Template{
		{Name: "templates/mine.tmpl", Content: `{{ define "slack.default.title" }}mine: {{ . | toUpper }}{{ end }}whole file`},
		{Name: "second.tmpl", Content: `{{ define "greeting" }}hello{{ end }}`},
	}, parseURL(t, "http://here/am"))
	require.NoError(t, err)
	for text, want := range map[string]string{
		`{{ template "slack.default.title" "x" }}`:  "mine: X",
		`{{ template "greeting" }}`:                 "hello",
		`{{ template "mine.tmpl" }}`:                "whole file",
		`{{ template "__alertmanagerURL" . }}`:      "http://here/am/#/alerts?receiver=team",
		`{{ template "slack.default.username" . }}`: "Alertmanager",
	} {
		data := tmpl.Data("team", nil, nil, "")
		text, err := tmpl.ExecuteTextString(text, data)
		require.NoError(t, err)
		require.Equal(t, want, text)
	}
	html, err := tmpl.ExecuteHTMLString(`{{ template "greeting" }}`, nil)
	require.NoError(t, err)
	require.Equal(t, "hello", html)
}

func TestNewTemplate_FaultNamesTemplate(t *testing.T) {
	for _, content := range []string{"{{ define", `{{ nosuchfunc }}`} {
		_, err := newTemplate([]config.Template{{Name: "team/bad.tmpl", Content: content}}, nil)
		require.ErrorContains(t, err, `parse template "team/bad.tmpl": template: bad.tmpl:1: `)
	}
}
