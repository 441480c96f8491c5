package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"github.com/sourcegraph/srcprom/pkg/client"
)

func ExampleClient_ApplyConfig() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"version":2,"changes":["rules/disk: group \"disk\" added"],"set_aside":[]}`)
	}))
	defer server.Close()

	c, err := client.New(server.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	rules := `
groups:
  - name: disk
    rules:
      - alert: DiskFull
        expr: node_filesystem_avail_bytes == 0
`
	result, err := c.ApplyConfig(context.Background(), client.ConfigRequest{
		Documents: map[string]*string{"rules/disk": &rules},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(result.Version, result.Changes)
	// Output: 2 [rules/disk: group "disk" added]
}

// A program beside the server, which knows it by the environment, asks for the counts
// of a banner and does not wait for long.
func ExampleClient_GetAlertsStatus() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"warning":4,"silenced":1,"critical":3,"services_critical":2}`)
	}))
	os.Setenv("PROMETHEUS_URL", server.URL)
	defer os.Unsetenv("PROMETHEUS_URL")

	banner := func() {
		c, err := client.New(os.Getenv("PROMETHEUS_URL"))
		if errors.Is(err, client.ErrUnavailable) {
			fmt.Println("there is no Prometheus")
			return
		}
		if err != nil {
			fmt.Println("PROMETHEUS_URL:", err)
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
		defer cancel()
		status, err := c.GetAlertsStatus(ctx)
		if errors.Is(err, client.ErrUnavailable) {
			fmt.Println("Prometheus does not answer")
			return
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%d critical alerts of %d services\n", status.Critical, status.ServicesCritical)
	}
	banner()
	server.Close()
	banner()
	os.Unsetenv("PROMETHEUS_URL")
	banner()
	// Output:
	// 3 critical alerts of 2 services
	// Prometheus does not answer
	// there is no Prometheus
}
