package alerting

import (
	"slices"

	amconfig "github.com/prometheus/alertmanager/config"
	amcommoncfg "github.com/prometheus/alertmanager/config/common"
)

// shown is a configuration as the API may show it. The engine hides what it knows to
// be secret, and takes additional headers of mail, by which gateways tell their
// customers, for harmless text.
func shown(conf *amconfig.Config) *amconfig.Config {
	copied := *conf
	copied.Receivers = slices.Clone(conf.Receivers)
	for i := range copied.Receivers {
		mails := slices.Clone(copied.Receivers[i].EmailConfigs)
		for j, mail := range mails {
			mails[j] = new(*mail)
			mails[j].Headers = shownHeaders(mail.Headers)
		}
		copied.Receivers[i].EmailConfigs = mails
	}
	return &copied
}

func shownHeaders(headers map[string]string) map[string]string {
	result := make(map[string]string, len(headers))
	for name, value := range headers {
		if !slices.Contains([]string{"From", "To", "Cc", "Reply-To", "Subject"}, name) {
			value = amcommoncfg.SecretToken
		}
		result[name] = value
	}
	return result
}
