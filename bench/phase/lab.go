package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"time"

	"github.com/sourcegraph/srcprom/bench/internal/target"
)

// contenderHeader tells targets who scrapes. It is not part of what the offset of a
// scrape is made of, so that all contenders scrape a target at the same moments.
const contenderHeader = "X-Contender"

// lab is what the contenders of a scenario have in common: the targets that they
// scrape and the webhook that they tell.
type lab struct {
	book    *book
	page    string             // the constant part of each target
	targets []*httptest.Server // each at an address of its own
	webhook *httptest.Server
}

func newLab(targets int) *lab {
	l := &lab{book: newBook(), page: target.Page()}
	for range targets {
		server := httptest.NewUnstartedServer(nil)
		address := server.Listener.Addr().String()
		server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { l.scraped(w, r, address) })
		server.Start()
		l.targets = append(l.targets, server)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /{contender}", l.notified)
	l.webhook = httptest.NewServer(mux)
	return l
}

func (l *lab) close() {
	for _, server := range append(l.targets, l.webhook) {
		server.CloseClientConnections()
		server.Close()
	}
}

// addresses are those of all targets.
func (l *lab) addresses() []string {
	var addresses []string
	for _, server := range l.targets {
		addresses = append(addresses, server.Listener.Addr().String())
	}
	return addresses
}

// scraped answers a scrape. The time is taken when all is ready to be sent and
// before the end of it leaves, so that no notification can be earlier.
func (l *lab) scraped(w http.ResponseWriter, r *http.Request, address string) {
	trials := l.book.carried(address)
	page := bytes.NewBufferString(l.page)
	page.WriteString("# TYPE flip gauge\n")
	for _, id := range trials {
		fmt.Fprintf(page, "flip{trial=\"%d\"} 1\n", id)
	}
	w.Header().Set("Content-Type", target.ContentType)
	l.book.noteServed(scrape{r.Header.Get(contenderHeader), address}, trials, time.Now())
	_, _ = page.WriteTo(w) // who does not get it scrapes again
}

func (l *lab) notified(w http.ResponseWriter, r *http.Request) {
	arrived := time.Now()
	var n struct {
		Alerts []struct {
			Labels struct{ Trial, Instance, Group string }
		}
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&n); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	for _, alert := range n.Alerts {
		id, err := strconv.Atoi(alert.Labels.Trial)
		if err != nil {
			http.Error(w, fmt.Sprintf("label trial: %v", err), http.StatusBadRequest)
			return
		}
		from := scrape{r.PathValue("contender"), alert.Labels.Instance}
		l.book.noteArrived(notification{from, alert.Labels.Group}, id, arrived)
	}
}

func quoted(values []string) string {
	var b strings.Builder
	for i, value := range values {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%q", value)
	}
	return b.String()
}
