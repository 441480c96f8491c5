// Command demo is what the quick start of srcprom watches and tells: a target
// with one temperature that anybody can set, and a webhook that prints each
// notification on a line.
//
//	curl -d 35 http://127.0.0.1:9099/temperature
package main

import (
	"errors"
	"flag"
	"log"
	"net/http"
	"os"
	"time"
)

func main() {
	address := flag.String("listen", "127.0.0.1:9099", "where to listen")
	flag.Parse()
	server := &http.Server{
		Addr:              *address,
		Handler:           newDemo(os.Stdout),
		ReadHeaderTimeout: 5 * time.Second,
	}
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatalf("demo: %v", err)
	}
}
