// Package srcpromtest is to srcprom what httptest is to net/http: it starts a
// whole server for a test, beside a target for it to scrape and a receiver of
// the notifications that it sends.
//
//	server := srcpromtest.Start(t, srcpromtest.WithRules(`
//	groups:
//	  - name: example
//	    rules:
//	      - alert: QueueFull
//	        expr: queue_length > 100
//	`))
//	server.Target.Set("queue_length", 101)
//	n := server.Receiver.Await("QueueFull to fire", srcpromtest.Firing("QueueFull"))
//
// Everything is stopped when the test ends.
package srcpromtest
