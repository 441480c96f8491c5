package alerting

import (
	"slices"

	amconfig "github.com/prometheus/alertmanager/config"
	amcommoncfg "github.com/prometheus/alertmanager/config/common"
)

// shown is a copy of a configuration as the API may show it. The engine hides what
// it has a type of secrets for; the headers of mails, which may have keys in them, it
// does not.
func shown(conf *amconfig.Config) *amconfig.Config {
	out := *conf
	out.Receivers = slices.Clone(conf.Receivers)
	for i := range out.Receivers {
		mails := slices.Clone(out.Receivers[i].EmailConfigs)
		for k, mail := range mails {
			one := *mail
			one.Headers = shownHeaders(mail.Headers)
			mails[k] = &one
		}
		out.Receivers[i].EmailConfigs = mails
	}
	return &out
}

func shownHeaders(headers map[string]string) map[string]string {
	out := make(map[string]string, len(headers))
	for name, value := range headers {
		if !slices.Contains([]string{"Subject", "From", "To"}, name) {
			value = amcommoncfg.SecretToken
		}
		out[name] = value
	}
	return out
}
