package web

import (
	"crypto/sha256"
	_ "embed" // the template
	"encoding/base64"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/prometheus/common/route"
)

//go:embed page.html
var pageHTML string

const pageStyle = `body{font:1rem/1.5 system-ui,sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}` +
	`h1{font-size:1.4rem}h2{font-size:1.1rem}pre{white-space:pre-wrap;overflow-wrap:anywhere;padding:.6rem;border:1px solid}` +
	`li{overflow-wrap:anywhere}footer{margin-top:2rem;opacity:.7}`

// page is what a path that used to belong to one of the two upstream consoles
// shows: what it is about, and where that is answered. Links in notifications
// lead here.
type page struct {
	heading, says string
	links         []link
}

// link is a path below the external URL, and what answers there.
type link struct {
	Path, Says string
}

func metricsLinks() []link {
	return []link{
		{"/api/v1/targets", "scrape targets"},
		{"/api/v1/alerts", "alerts that are pending or firing"},
		{"/api/v1/rules", "recording and alerting rules"},
		{"/api/v1/status/config", "configuration of scraping and rules"},
		{"/api/v1/status/flags", "flags"},
		{"/api/v1/status/runtimeinfo", "state of the process"},
		{"/api/v1/status/tsdb", "state of the storage"},
		{"/metrics", "metrics of this server"},
	}
}

func alertmanagerLinks() []link {
	return []link{
		{"/alertmanager/api/v2/alerts", "alerts, with what silences or inhibits them"},
		{"/alertmanager/api/v2/alerts/groups", "alerts by group"},
		{"/alertmanager/api/v2/silences", "silences; one of them at /alertmanager/api/v2/silence/ID"},
		{"/alertmanager/api/v2/receivers", "receivers"},
		{"/alertmanager/api/v2/status", "configuration of notifications"},
		{"/alertmanager/metrics", "metrics of notifications"},
	}
}

func (s *Server) serverLinks() []link {
	links := []link{
		{"/-/ready", "whether the server is ready, and what it waits for if not"},
		{"/version", "version"},
		{"/debug/pprof/", "profiles"},
		{"/api/v1/openapi.yaml", "description of the metrics API"},
		{"/api/srcprom/v1/openapi.yaml", "description of srcprom's own API"},
	}
	if s.opts.EnableConfigAPI {
		links = append(links, link{"/api/srcprom/v1/config", "configuration"})
	}
	return links
}

// consolePages are the paths of Prometheus's console.
func consolePages() map[string]page {
	return map[string]page{
		"/alerts":                 {"Alerts", "Alerts that are pending or firing, and the rules that they come from.", []link{{"/api/v1/alerts", ""}, {"/api/v1/rules?type=alert", ""}}},
		"/rules":                  {"Rules", "Recording and alerting rules, with their last evaluation.", []link{{"/api/v1/rules", ""}}},
		"/targets":                {"Targets", "Scrape targets, with their last scrape.", []link{{"/api/v1/targets?state=active", ""}, {"/api/v1/targets?state=dropped", ""}}},
		"/service-discovery":      {"Service discovery", "What was discovered, before and after relabelling.", []link{{"/api/v1/targets", ""}, {"/api/v1/scrape_pools", ""}}},
		"/alertmanager-discovery": {"Alertmanagers", "Where alerts are delivered to.", []link{{"/api/v1/alertmanagers", ""}}},
		"/config":                 {"Configuration", "The configuration that runs, secrets left out.", []link{{"/api/v1/status/config", "scraping and rules"}}},
		"/flags":                  {"Flags", "The flags that the server was started with.", []link{{"/api/v1/status/flags", ""}}},
		"/status":                 {"Status", "The process and what was built into it.", []link{{"/api/v1/status/runtimeinfo", ""}, {"/api/v1/status/buildinfo", ""}}},
		"/tsdb-status":            {"Storage", "The series with the highest cardinality, and the blocks.", []link{{"/api/v1/status/tsdb", ""}, {"/api/v1/status/tsdb/blocks", ""}}},
	}
}

func alertmanagerPage() page {
	return page{
		"Notifications",
		"The built-in Alertmanager: alerts, silences, routing and delivery. amtool works with --alertmanager.url set to the address of this page.",
		alertmanagerLinks(),
	}
}

// registerPages answers on the paths of Prometheus's console.
func (s *Server) registerPages(r *route.Router) {
	r.Get("/", s.servePage(page{
		"srcprom",
		"Prometheus and Alertmanager in one process. What answers here:",
		nil,
	}))
	r.Get("/query", s.servePage(page{"Query", "An expression, and where it is evaluated.", nil}))
	r.Get("/graph", func(w http.ResponseWriter, req *http.Request) {
		target := url.URL{Path: s.external.Path + "/query", RawQuery: req.URL.RawQuery}
		http.Redirect(w, req, target.String(), http.StatusFound)
	})
	for path, p := range consolePages() {
		r.Get(path, s.servePage(p))
	}
}

// pageData is what the template gets. It escapes all of it.
type pageData struct {
	Title, Heading, Says string
	Base                 string
	Style                template.CSS
	Expressions          []expression
	Sections             []section
	Footer               string
}

type section struct {
	Title string
	Links []link
}

// expression is PromQL from a query string, which anybody can have written.
type expression struct {
	Text, Now, LastHour string
}

func (s *Server) servePage(p page) http.HandlerFunc {
	tmpl := template.Must(template.New("page").Parse(pageHTML)) // fails in every test or never
	sections := s.sections(p)
	return func(w http.ResponseWriter, r *http.Request) {
		setPageHeaders(w.Header())
		data := pageData{
			Title:       p.heading + " · " + s.opts.PageTitle,
			Heading:     p.heading,
			Says:        p.says,
			Base:        s.external.Path,
			Style:       pageStyle,
			Expressions: s.expressions(r.URL.Query()),
			Sections:    sections,
			Footer:      fmt.Sprintf("srcprom %s", s.deps.Version.Version),
		}
		if err := tmpl.Execute(w, data); err != nil {
			s.log.Debug("Page was cut off", "path", r.URL.Path, "err", err)
		}
	}
}

func (s *Server) sections(p page) []section {
	var sections []section
	if len(p.links) > 0 {
		sections = append(sections, section{"Look here", p.links})
	}
	sections = append(sections, section{"Metrics and alerts", metricsLinks()})
	if s.deps.AlertmanagerAPI != nil {
		notifications := append([]link{{"/alertmanager/", "overview"}}, alertmanagerLinks()...)
		sections = append(sections, section{"Notifications", notifications})
	}
	return append(sections, section{"This server", s.serverLinks()})
}

// setPageHeaders forbids everything that the page does not do. Headers that the
// web configuration file has set stay.
func setPageHeaders(h http.Header) {
	hash := sha256.Sum256([]byte(pageStyle))
	for name, value := range map[string]string{
		"Content-Type": "text/html; charset=utf-8",
		"Content-Security-Policy": "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) +
			"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
		"X-Content-Type-Options": "nosniff",
		"X-Frame-Options":        "deny",
		"Referrer-Policy":        "no-referrer",
		"Cache-Control":          "no-store",
	} {
		if h.Get(name) == "" {
			h.Set(name, value)
		}
	}
}

// maxExpressions bounds what one page shows.
const maxExpressions = 50

// expressions returns those that a link to a graph carries, g0.expr, g1.expr, …,
// in the order of their numbers.
func (s *Server) expressions(params url.Values) []expression {
	texts := make(map[int]string)
	for name := range params {
		var panel int
		if _, err := fmt.Sscanf(name, "g%d.expr", &panel); err == nil && name == fmt.Sprintf("g%d.expr", panel) {
			texts[panel] = params.Get(name)
		}
	}
	var found []expression
	for _, panel := range slices.Sorted(maps.Keys(texts)) {
		if text := texts[panel]; text != "" && len(found) < maxExpressions {
			found = append(found, s.expression(text, time.Now()))
		}
	}
	return found
}

func (s *Server) expression(text string, now time.Time) expression {
	lastHour := url.Values{
		"query": {text},
		"start": {fmt.Sprint(now.Add(-time.Hour).Unix())},
		"end":   {fmt.Sprint(now.Unix())},
		"step":  {"15"},
	}
	return expression{
		Text:     text,
		Now:      s.external.Path + "/api/v1/query?" + url.Values{"query": {text}}.Encode(),
		LastHour: s.external.Path + "/api/v1/query_range?" + lastHour.Encode(),
	}
}
