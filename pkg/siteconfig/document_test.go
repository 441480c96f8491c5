package siteconfig

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/config"
)

func TestRead_EqualMeaningMakesEqualDocuments(t *testing.T) {
	want, err := readDocument(`{
		"observability.alerts": [{"level": "critical", "notifier": {"type": "webhook", "url": "https://example.com/?a=<b>"}}],
		"email.smtp": {"host": "h", "port": 25}
	}`)
	require.NoError(t, err)
	for name, text := range map[string]string{
		"another order, comments, commas": "\ufeff/* a */{\"email.smtp\":{\"port\":25,\"host\":\"h\",},// b\r\n\"observability.alerts\":[{\"notifier\":{\"url\":\"https://example.com/?a=<b>\",\"type\":\"webhook\"},\"level\":\"critical\",},],}//",
		"another case of letters":         `{"EMAIL.smtp": {"HOST": "h", "Port": 25}, "observability.Alerts": [{"LEVEL": "critical", "Notifier": {"Type": "webhook", "URL": "https://example.com/?a=<b>"}}]}`,
		"duplicates":                      `{"email.smtp": 5, "email.SMTP": {"host": "g", "Host": "h", "port": 24, "port": 25}, "observability.alerts": [{"level": "warning", "level": "critical", "notifier": {"type": "slack", "type": "webhook", "url": "https://example.com/?a=<b>"}}]}`,
		"escapes":                         `{"email.smt\u0070": {"h\u006fst": "\u0068", "port": 25}, "observability.alerts": [{"level": "critical", "notifier": {"type": "webhook", "url": "https:\/\/example.com/?a=\u003cb>"}}]}`,
		"null":                            `{"externalURL": null, "email.address": null, "observability.silenceAlerts": null, "email.smtp": {"host": "h", "port": 25, "domain": null}, "observability.alerts": [{"level": "critical", "owners": null, "notifier": {"type": "webhook", "url": "https://example.com/?a=<b>"}}]}`,
		"other keys":                      `{"auth.providers": [], "email.smtp": {"host": "h", "port": 25}, "license": {"a": {}}, "observability.alerts": [{"level": "critical", "notifier": {"type": "webhook", "url": "https://example.com/?a=<b>"}}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readDocument(text)
			require.NoError(t, err)
			require.Equal(t, want, got)
		})
	}
}

func TestRead_NothingIsTheEmptyConfiguration(t *testing.T) {
	for _, text := range []string{"{}", " ", "\n\t", "// nothing", "/* nothing */", "null", "\ufeff{}", "null // so far", `{"other": 1}`} {
		document, err := readDocument(text)
		require.NoError(t, err, "%q", text)
		require.Equal(t, "{}\n", document, "%q", text)
	}
}

func TestRead_SyntaxFaultsAreToldByTheirPlaceAlone(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"empty":              {"", "read site configuration: the text is empty"},
		"empty but for BOM":  {"\ufeff", "read site configuration: the text is empty"},
		"missing value":      {"{\n  \"a\": ,\n}", "read site configuration: line 3, column 1: unexpected character looking for beginning of value"},
		"unquoted":           {"{\"é\": hunter22}", "read site configuration: line 1, column 7: unexpected character looking for beginning of value"},
		"unfinished":         {"{\"a\": [1", "read site configuration: line 1, column 9: unexpected end of JSON input"},
		"unfinished string":  {"{\"a\": \"hunter22", "read site configuration: line 1, column 16: unexpected end of JSON input"},
		"unfinished comment": {"{}\n /* hunter22", "read site configuration: line 2, column 2: unexpected character after top-level value"},
		"two commas":         {"{\"a\": 1,,}", "read site configuration: line 1, column 10: unexpected character looking for beginning of object key string"},
		"comma alone":        {",", "read site configuration: line 1, column 1: unexpected character looking for beginning of value"},
		"list":               {" [1,]", "read site configuration: line 1, column 2: expected an object"},
		"text":               {"\"hunter22\"", "read site configuration: line 1, column 1: expected an object"},
		"rest":               {"{} x", "read site configuration: line 1, column 4: unexpected character after top-level value"},
		"line break":         {"{\"a\": \"hunter22\n\"}", "read site configuration: line 1, column 16: unexpected character in string literal"},
		"quote":              {"{'a': 1}", "read site configuration: line 1, column 2: unexpected character looking for beginning of object key string"},
		"depth":              {"{\"a\": " + strings.Repeat("[", 100_000), "read site configuration: line 1, column 10006: nested too deeply"},
	} {
		t.Run(name, func(t *testing.T) {
			document, err := readDocument(c.text)
			require.EqualError(t, err, c.want)
			require.Empty(t, document)
		})
	}
}

// secretsEverywhere has canary1234 wherever a secret may be.
const secretsEverywhere = `{
  "observability.alerts": [
    {"level": "critical", "notifier": {"type": "slack", "url": "https://example.com/canary1234"}},
    {"level": "critical", "notifier": {"type": "pagerduty", "integrationKey": "canary1234"}},
    {"level": "critical", "notifier": {"type": "pagerduty", "integrationKey": "canary1234", "apiUrl": "https://u:canary1234@example.com"}},
    {"level": "critical", "notifier": {"type": "webhook", "url": "https://canary1234@example.com/", "username": "u", "password": "canary1234"}},
    {"level": "critical", "notifier": {"type": "webhook", "url": "canary1234", "bearerToken": "canary1234"}},
    {"level": "critical", "notifier": {"type": "webhook", "url": "https://example.com/", "username": "u", "bearerToken": "canary1234"}},
    {"level": "critical", "notifier": {"type": "opsgenie", "apiKey": "canary1234", "priority": ["canary1234"], "responders": [{"canary": "canary1234"}, "canary1234"]}},
    {"level": "critical", "notifier": {"type": "incidentio", "url": "https://canary1234.example.com", "alertSourceToken": "canary1234"}},
    {"level": "critical", "notifier": {"type": "msteams", "url": "https://example.com/canary1234"}},
    {"level": "critical", "notifier": {"type": "unheard-of", "url": "canary1234", "nested": {"canary1234": ["canary1234"]}}},
    {"level": {"canary1234": 1}, "owners": {"canary1234": 1}, "notifier": ["canary1234"], "disableSendResolved": "canary1234", "token": "canary1234"},
    {"level": "critical", "notifier": "canary1234"},
    {"level": "critical", "notifier": {"type": "slack", "url": "https://example.com/", "username": {"canary1234": "canary1234"}, "icon_url": "https://example.com/?token=canary1234"}},
    {"level": "critical", "notifier": {"type": "email", "address": "a@example.com"}},
    "canary1234",
  ],
  "observability.silenceAlerts": [{"a": "canary1234"}, ["canary1234"]],
  "email.address": "a@example.com",
  "email.smtp": {
    "host": "https://u:canary1234@example.com", "port": "canary1234", "authentication": {"a": "canary1234"}, "username": "u", "password": "canary1234",
    "noVerifyTLS": "canary1234", "domain": ["canary1234"], "passwrod": "canary1234", "$secret": "canary1234",
    "additionalHeaders": [
      {"key": "A", "value": "canary1234", "sensitive": true},
      {"key": "B", "value": "canary1234", "sensitive": "no"},
      {"key": "C", "value": "canary1234", "sensitive": 0},
      {"key": "D", "value": {"canary1234": 1}},
      "canary1234",
    ],
  },
  "externalURL": "https://u:canary1234@example.com",
}`

func TestRead_MarksWhateverMayBeSecret(t *testing.T) {
	document, err := readDocument(secretsEverywhere)
	require.NoError(t, err)
	require.Contains(t, document, "canary1234")
	shown := config.Redact(config.Document{Name: config.SiteConfigDocument, Content: document})
	require.NotContains(t, shown, "canary1234")
	require.Contains(t, shown, `"integrationKey": {`)
	require.Contains(t, shown, `"level": "critical"`)
}

func TestTranslate_TellsNoSecret(t *testing.T) {
	got := load(t, DefaultOptions(), secretsEverywhere, nil)
	require.NoError(t, got.err)
	require.Empty(t, got.effective.SetAside)
	require.Greater(t, len(got.effective.Problems), 10)
	require.NotContains(t, strings.Join(got.effective.Problems, "\n"), "canary1234")
	require.NotContains(t, strings.Join(got.effective.Problems, "\n"), "canary")
}
