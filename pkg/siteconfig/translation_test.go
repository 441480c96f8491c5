package siteconfig

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	amconfig "github.com/prometheus/alertmanager/config"
	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/config"
)

// mails are the receivers of mail that a site configuration makes.
func mails(t *testing.T, settings string) []*amconfig.EmailConfig {
	t.Helper()
	got := load(t, DefaultOptions(), `{
		"observability.alerts": [
			{"level": "warning", "notifier": {"type": "email", "address": "a@example.com"}},
			{"level": "critical", "notifier": {"type": "email", "address": "b@example.com"}},
			{"level": "critical", "owners": ["own"], "notifier": {"type": "email", "address": "c@example.com"}},
		],`+settings+`}`, nil)
	require.NoError(t, got.err)
	require.Empty(t, got.effective.Problems)
	var all []*amconfig.EmailConfig
	for _, receiver := range got.effective.Alertmanager.Receivers {
		all = append(all, receiver.EmailConfigs...)
	}
	require.Len(t, all, 3)
	return all
}

// INC-75: the old image wrote a change of the sender into the global section alone.
func TestTranslate_EditedSenderReachesEveryReceiver(t *testing.T) {
	const smtp = `"email.smtp": {"host": "smtp.example.com", "port": 587, "authentication": "none"}`
	for _, mail := range mails(t, `"email.address": "old@example.com", `+smtp) {
		require.Equal(t, "old@example.com", mail.From)
	}
	for _, mail := range mails(t, `"email.address": "new@example.com", `+smtp) {
		require.Equal(t, "new@example.com", mail.From)
		require.Equal(t, "smtp.example.com:587", mail.Smarthost.String())
	}
}

func TestTranslate_LoginThatIsSwitchedLeavesNothingOfTheOther(t *testing.T) {
	const smtp = `"email.address": "a@example.com", "email.smtp": {"host": "h", "port": 25, "username": "mailer", "password": "hunter22", "authentication": `
	for _, mail := range mails(t, smtp+`"PLAIN"}`) {
		require.Equal(t, "mailer", mail.AuthUsername)
		require.Equal(t, "hunter22", string(mail.AuthPassword))
		require.Empty(t, mail.AuthSecret)
	}
	for _, mail := range mails(t, smtp+`"CRAM-MD5"}`) {
		require.Equal(t, "mailer", mail.AuthUsername)
		require.Equal(t, "hunter22", string(mail.AuthSecret))
		require.Empty(t, mail.AuthPassword)
	}
	for _, mail := range mails(t, smtp+`"none"}`) {
		require.Empty(t, mail.AuthUsername)
		require.Empty(t, mail.AuthPassword)
		require.Empty(t, mail.AuthSecret)
	}
}

func TestTranslate_NoVerifyTLSNeitherDemandsNorVerifies(t *testing.T) {
	for _, no := range []bool{false, true} {
		for _, mail := range mails(t, fmt.Sprintf(`"email.address": "a@example.com", "email.smtp": {"host": "h", "port": 25, "authentication": "none", "noVerifyTLS": %t}`, no)) {
			require.Equal(t, !no, *mail.RequireTLS)
			require.Equal(t, no, mail.TLSConfig.InsecureSkipVerify)
		}
	}
}

func TestTranslate_ExternalURLAloneChangesLinksAndKeepsHeaders(t *testing.T) {
	const smtp = `"email.address": "a@example.com", "email.smtp": {"host": "h", "port": 25, "authentication": "none", "additionalHeaders": [{"key": "X-Team", "value": "sre"}]}`
	for _, mail := range mails(t, smtp+`, "externalURL": "https://one.example.com"`) {
		require.Contains(t, mail.Text, "https://one.example.com/-/debug/grafana/d/")
	}
	for _, mail := range mails(t, smtp+`, "externalURL": "https://two.example.com/"`) {
		require.Contains(t, mail.Text, "https://two.example.com/-/debug/grafana/d/")
		require.Equal(t, "sre", mail.Headers["X-Team"])
	}
	for _, mail := range mails(t, smtp) {
		require.NotContains(t, mail.Text, "grafana")
	}
}

func TestTranslate_WebhookHasNoMoreAuthenticationThanGiven(t *testing.T) {
	site := func(settings string) string {
		return `{"observability.alerts": [{"level": "critical", "notifier": {"type": "webhook", "url": "https://example.com"` + settings + `}}]}`
	}
	webhookOf := func(settings string) *amconfig.Receiver {
		got := load(t, DefaultOptions(), site(settings), nil)
		require.NoError(t, got.err)
		require.Empty(t, got.effective.Problems)
		receiver := got.effective.Alertmanager.Receivers[2]
		require.True(t, receiver.WebhookConfigs[0].HTTPConfig.FollowRedirects)
		require.True(t, receiver.WebhookConfigs[0].HTTPConfig.EnableHTTP2)
		return &receiver
	}
	require.Nil(t, webhookOf("").WebhookConfigs[0].HTTPConfig.BasicAuth)
	require.Nil(t, webhookOf("").WebhookConfigs[0].HTTPConfig.Authorization)
	basic := webhookOf(`, "password": "only-this"`).WebhookConfigs[0].HTTPConfig
	require.Equal(t, "only-this", string(basic.BasicAuth.Password))
	bearer := webhookOf(`, "bearerToken": "token-1"`).WebhookConfigs[0].HTTPConfig
	require.Nil(t, bearer.BasicAuth)
	require.Equal(t, "Bearer", bearer.Authorization.Type)
	require.Equal(t, "token-1", string(bearer.Authorization.Credentials))
}

func TestTranslate_EngineThatRefusesAnIntegrationNamesTheNotifier(t *testing.T) {
	site := `{"observability.alerts": [
		{"level": "critical", "notifier": {"type": "bad"}},
		{"level": "critical", "notifier": {"type": "webhook", "url": "https://example.com/good"}},
		{"level": "critical", "notifier": {"type": "webhook", "url": "https://example.com/bad-one"}},
	]}`
	over := newOverlay(DefaultOptions())
	document, err := over.Read(site)
	require.NoError(t, err)
	effective, err := config.Load(config.Documents{config.SiteConfigDocument: {Name: config.SiteConfigDocument, Content: document}}, config.LoadOptions{
		Overlay: over,
		CheckIntegration: func(receiver amconfig.Receiver, _ []config.Template) error {
			if strings.HasSuffix(string(receiver.WebhookConfigs[0].URL), "bad-one") {
				return errors.New("will not have https://example.com/bad-one")
			}
			return nil
		},
	})
	require.NoError(t, err)
	require.Len(t, effective.Problems, 2)
	require.Contains(t, effective.Problems[0], "`observability.alerts`: notifier 0: ")
	require.Equal(t, "`observability.alerts`: notifier 2: the engine cannot use it: will not have <secret>; nothing is sent to it until then", effective.Problems[1])
	require.Len(t, effective.Alertmanager.Receivers[2].WebhookConfigs, 1)
	require.Zero(t, effective.SetAside[0].Line, "nobody has written it into alertmanager.yml")
	require.Empty(t, effective.Standing["receivers/src-critical-receiver/webhook_configs[1]"])
}

// What the old image has left in the file must not come back under the name of what
// replaces it.
func TestTranslate_RefusedIntegrationIsNotReplacedByTheOldImages(t *testing.T) {
	const old = "route: {receiver: src-noop-receiver}\nreceivers:\n  - name: src-noop-receiver\n  - name: src-critical-receiver\n    webhook_configs: [{url: 'https://old.example.com'}]\n"
	opts := DefaultOptions()
	opts.RewrittenFile = true
	over := newOverlay(opts)
	document, err := over.Read(`{"observability.alerts": [{"level": "critical", "notifier": {"type": "webhook", "url": "https://new.example.com"}}]}`)
	require.NoError(t, err)
	docs := config.Documents{
		config.SiteConfigDocument:   {Name: config.SiteConfigDocument, Content: document},
		config.AlertmanagerDocument: {Name: config.AlertmanagerDocument, Content: old, Provenance: config.Provenance{Source: config.SourceFile}},
	}
	effective, err := config.Load(docs, config.LoadOptions{
		Overlay:  over,
		Previous: &config.Accepted{Documents: docs},
		CheckIntegration: func(receiver amconfig.Receiver, _ []config.Template) error {
			if string(receiver.WebhookConfigs[0].URL) == "https://new.example.com" {
				return errors.New("no")
			}
			return nil
		},
	})
	require.NoError(t, err)
	require.Empty(t, effective.Alertmanager.Receivers[2].WebhookConfigs)
	require.Len(t, effective.Lost, 1)
}

func TestTranslate_DamagedDocumentIsAProblem(t *testing.T) {
	over := newOverlay(DefaultOptions())
	effective, err := config.Load(config.Documents{config.SiteConfigDocument: {Name: config.SiteConfigDocument, Content: "[1"}}, config.LoadOptions{Overlay: over})
	require.NoError(t, err)
	require.Equal(t, []string{"`observability`: the site configuration that was kept is damaged: save it again"}, effective.Problems)
	entries, problems := wantedSilences("[1")
	require.Empty(t, entries)
	require.Empty(t, problems)
}

func TestWantedSilences_AreTheGoodEntriesOnce(t *testing.T) {
	document, err := readDocument(`{"observability.silenceAlerts": ["b", "a|c", "(", "", "b", 3, "x*"]}`)
	require.NoError(t, err)
	entries, problems := wantedSilences(document)
	require.Equal(t, []string{"b", "a|c"}, entries)
	require.Len(t, problems, 4)
	entries, problems = wantedSilences("{}\n")
	require.Empty(t, entries)
	require.Empty(t, problems)
}

// notifiers is a site configuration with n notifiers of all types.
func notifiers(n int) string {
	kinds := []string{
		`{"type": "slack", "url": "https://example.com/%d"}`,
		`{"type": "pagerduty", "integrationKey": "key-%d"}`,
		`{"type": "webhook", "url": "https://example.com/%d", "bearerToken": "t"}`,
		`{"type": "email", "address": "a%d@example.com"}`,
		`{"type": "opsgenie", "apiKey": "key-%d"}`,
	}
	var b strings.Builder
	b.WriteString(`{"email.address": "a@example.com", "email.smtp": {"host": "h", "port": 25, "authentication": "none"}, "externalURL": "https://example.com", "observability.alerts": [`)
	for i := range n {
		fmt.Fprintf(&b, `{"level": "critical", "owners": ["team%d"], "notifier": `+kinds[i%len(kinds)]+"},\n", i%50, i)
	}
	b.WriteString("]}")
	return b.String()
}

func BenchmarkTranslate(b *testing.B) {
	for _, n := range []int{5, 50, 500} {
		over := newOverlay(DefaultOptions())
		site := notifiers(n)
		b.Run(fmt.Sprintf("read/notifiers=%d", n), func(b *testing.B) {
			for b.Loop() {
				_, err := over.Read(site)
				require.NoError(b, err)
			}
		})
		document, err := over.Read(site)
		require.NoError(b, err)
		docs := config.Documents{config.SiteConfigDocument: {Name: config.SiteConfigDocument, Content: document}}
		b.Run(fmt.Sprintf("load/notifiers=%d", n), func(b *testing.B) {
			for b.Loop() {
				effective, err := config.Load(docs, config.LoadOptions{Overlay: over})
				require.NoError(b, err)
				require.Empty(b, effective.Problems)
			}
		})
	}
}
