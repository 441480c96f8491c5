package embedded_test

import (
	_ "embed"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/srcpromtest"
)

//go:embed rules.yml
var rules string

func TestRules_ErrorsPageAndResolve(t *testing.T) {
	server := srcpromtest.Start(t, srcpromtest.WithRules(rules))

	server.Target.Set("shop_requests", 100)
	server.Target.Set("shop_errors", 10)
	page := server.Receiver.Await("the page", srcpromtest.Firing("TooManyErrors"))
	require.Len(t, page.Alerts, 1)
	require.Equal(t, "page", page.Alerts[0].Labels["severity"])
	require.Equal(t, "10% of the requests fail", page.Alerts[0].Annotations["summary"])

	server.Target.Set("shop_errors", 0)
	server.Receiver.Await("its end", srcpromtest.Resolved("TooManyErrors"))
}
