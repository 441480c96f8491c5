// Package target is what the targets of all measurements say besides what a
// measurement asks of them.
package target

import (
	"fmt"
	"strings"
)

// ContentType is that of Page.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// Page has about as many series as Prometheus tells of itself.
func Page() string {
	var b strings.Builder
	b.WriteString("# TYPE target_requests_total counter\n")
	for i := range 400 {
		fmt.Fprintf(&b, "target_requests_total{handler=\"/api/v1/%d\",code=\"%d\"} %d\n", i/4, 200+i%4, i*i)
	}
	b.WriteString("# TYPE target_duration_seconds histogram\n")
	for i := range 40 {
		for j := range 10 {
			fmt.Fprintf(&b, "target_duration_seconds_bucket{handler=\"/api/v1/%d\",le=\"%d\"} %d\n", i, j, j*i)
		}
	}
	return b.String()
}
