package client_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

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
