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
		settings string
		overTLS  bool
	}{
		"offered, and not to be verified":           {true, "require_tls: false, tls_config: { insecure_skip_verify: true }", true},
		"not offered, and not to be verified":       {false, "require_tls: false, tls_config: { insecure_skip_verify: true }", false},
		"offered, to be verified, and not demanded": {true, "require_tls: false", false},
		"demanded, and not to be verified":          {true, "tls_config: { insecure_skip_verify: true }", true},
	} {
		t.Run(name, func(t *testing.T) {
			server := receivers.NewMailServer(t, receivers.MailOptions{StartTLS: c.offered})
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
