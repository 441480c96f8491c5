package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// readPaths are queries that clients may POST because they are long. They change
// nothing, so scripts of the origins that Options.CORSOrigin allows may send them.
func readPaths() []string {
	return []string{
		"/api/v1/query", "/api/v1/query_range", "/api/v1/query_exemplars",
		"/api/v1/format_query", "/api/v1/parse_query",
		"/api/v1/labels", "/api/v1/series", "/api/v1/read",
		"/api/v1/search/metric_names", "/api/v1/search/label_names", "/api/v1/search/label_values",
	}
}

// sameOrigin refuses what a browser sends from the page of another origin and
// that could change something. Programs other than browsers do not say where they
// come from and pass.
func sameOrigin(h http.Handler, external *url.URL, prefix string) (http.Handler, error) {
	protection := http.NewCrossOriginProtection()
	if err := protection.AddTrustedOrigin(origin(external)); err != nil {
		return nil, fmt.Errorf("web: trust the origin of ExternalURL: %w", err)
	}
	for _, path := range readPaths() {
		protection.AddInsecureBypassPattern("POST " + prefix + path)
	}
	protection.AddInsecureBypassPattern(prefix + wrapperPath)
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		writeError(w, http.StatusForbidden, "cross-origin request: what changes something must come from a page of this server (its address or --web.external-url), or from no browser")
	}))
	return protection.Handler(h), nil
}

// origin is what a browser calls the place of u: without a port that is the
// scheme's own.
func origin(u *url.URL) string {
	host := strings.ToLower(u.Host)
	if port := u.Port(); u.Scheme == "http" && port == "80" || u.Scheme == "https" && port == "443" {
		host = strings.TrimSuffix(host, ":"+port)
	}
	return u.Scheme + "://" + host
}
