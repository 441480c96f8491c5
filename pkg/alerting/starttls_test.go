package alerting

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/internal/receivers"
)

func TestMail_UsesTLSWhereItIsOfferedUnlessItIsToBeVerified(t *testing.T) {
	for name, c := range map[string]struct {
		offered  bool
		outdated bool
		settings string
		overTLS  bool
	}{
		"offered, and not to be verified":           {true, false, "require_tls: false, tls_config: { insecure_skip_verify: true }", true},
		"offered, and does not work":                {true, true, "require_tls: false, tls_config: { insecure_skip_verify: true }", false},
		"not offered, and not to be verified":       {false, false, "require_tls: false, tls_config: { insecure_skip_verify: true }", false},
		"offered, to be verified, and not demanded": {true, false, "require_tls: false", false},
		"demanded, and not to be verified":          {true, false, "tls_config: { insecure_skip_verify: true }", true},
	} {
		t.Run(name, func(t *testing.T) {
			server := receivers.NewMailServer(t, receivers.MailOptions{StartTLS: c.offered, Outdated: c.outdated})
			h := running(t, fmt.Sprintf(`
route: { receiver: mail, group_wait: 0s }
receivers:
  - name: mail
    email_configs: [ { to: a@example.org, from: b@example.org, smarthost: %q, %s } ]
`, server.Addr, c.settings))
			h.fire("Mailed")
			require.Equal(t, c.overTLS, server.Await(1)[0].TLS)
		})
	}
}
