package web

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/config"
)

var hrefs = regexp.MustCompile(`href="([^"]+)"`)

func linksOf(body string) []string {
	var links []string
	for _, match := range hrefs.FindAllStringSubmatch(body, -1) {
		links = append(links, html.UnescapeString(match[1]))
	}
	return links
}

func TestPages_EveryLinkAnswers(t *testing.T) {
	s := startServer(t, func(o *Options, _ *Deps) {
		o.RoutePrefix = "/p" // and the external URL has no path: a proxy adds it
		o.ExternalURL = "http://example.com/p"
		o.EnableConfigAPI = true
	})
	s.configurer.current = &config.Accepted{Version: 1}
	paths := []string{"/", "/query", "/alertmanager/"}
	for path := range consolePages() {
		paths = append(paths, path)
	}
	checked := make(map[string]bool)
	for _, path := range paths {
		page := s.get(t, path)
		require.Equal(t, http.StatusOK, page.status, path)
		require.Equal(t, "text/html; charset=utf-8", page.header.Get("Content-Type"), path)
		links := linksOf(page.body)
		require.NotEmpty(t, links, path)
		for _, link := range links {
			if checked[link] {
				continue
			}
			checked[link] = true
			require.True(t, strings.HasPrefix(link, "/p/"), link)
			answer := send(t, s.http, request(t, http.MethodGet, "http://"+s.Addr()+link, "", ""))
			require.Equal(t, http.StatusOK, answer.status, "%s links to %s", path, link)
		}
	}
	require.Greater(t, len(checked), 20)
}

func TestPages_GraphLinksShowTheirExpressions(t *testing.T) {
	s := startServer(t)
	expr := `sum by (job) (rate(x{a="<b>&\""}[5m])) > 0.5`
	redirect := s.get(t, "/graph?g1.expr=up%2B1&g0.expr="+url.QueryEscape(expr)+"&g0.tab=1&gx.expr=no&g2.exprs=no&g-3.expr=")
	require.Equal(t, http.StatusFound, redirect.status)
	page := s.get(t, redirect.header.Get("Location"))
	require.Equal(t, http.StatusOK, page.status)
	require.Contains(t, page.body, "<pre>"+htmlEscaped(expr)+"</pre>")
	require.Less(t, strings.Index(page.body, "rate("), strings.Index(page.body, "<pre>up&#43;1</pre>"), "in the order of the panels")
	require.Equal(t, 2, strings.Count(page.body, "<pre>"))

	links := linksOf(page.body)[:4]
	for i, path := range []string{"/api/v1/query", "/api/v1/query_range", "/api/v1/query", "/api/v1/query_range"} {
		link, err := url.Parse(links[i])
		require.NoError(t, err)
		require.Equal(t, path, link.Path)
		require.Equal(t, []string{expr, "up+1"}[i/2], link.Query().Get("query"))
		require.Equal(t, http.StatusOK, s.get(t, links[i]).status, links[i])
	}
}

// htmlEscaped is how html/template writes text.
func htmlEscaped(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;").Replace(text)
}

func TestPages_EscapeWhatAnybodyCanWrite(t *testing.T) {
	s := startServer(t, func(o *Options, _ *Deps) { o.PageTitle = "<script>title</script>" })
	page := s.get(t, "/query?g0.expr="+url.QueryEscape(`</pre><script>alert(1)</script><a href="javascript:alert(1)">`))
	require.NotContains(t, page.body, "<script>")
	require.NotContains(t, page.body, `href="javascript:`)
	csp := page.header.Get("Content-Security-Policy")
	require.Contains(t, csp, "default-src 'none'")
	require.NotContains(t, csp, "unsafe")
	require.Equal(t, "nosniff", page.header.Get("X-Content-Type-Options"))
	require.Equal(t, "deny", page.header.Get("X-Frame-Options"))
	require.Contains(t, page.body, "<style>"+pageStyle+"</style>", "the policy allows this style alone, by its hash")
}

func TestPages_ShowAtMostSoManyExpressions(t *testing.T) {
	s := newTestServer(t)
	params := url.Values{}
	for i := range 2 * maxExpressions {
		params.Set("g"+strings.Repeat("1", i%4+1)+".expr", "up")
		params.Set("g"+string(rune('0'+i%10))+"000"+string(rune('0'+i/10))+".expr", "up")
	}
	require.Len(t, s.expressions(params), maxExpressions)
}

func TestPages_QueryStringIsKeptAsItIs(t *testing.T) {
	s := startServer(t)
	require.Equal(t, "/query?g0.expr=a//b/../c", s.get(t, "/graph?g0.expr=a//b/../c").header.Get("Location"))
}
