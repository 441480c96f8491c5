package scrape

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/config"
)

func TestPrepare_UnchangedJobsAreNotTouched(t *testing.T) {
	s := newTarget(t, page("m 1\n"))
	text := scraping(job("app", s, `, relabel_configs: [{source_labels: [a], regex: "x.*", action: drop}], basic_auth: {username: u, password: p}`))
	m := startManager(t, text)
	for _, next := range []string{text, text + "rule_files: [other.yml]\n", "alerting: {alert_relabel_configs: [{regex: a, action: labeldrop}]}\n" + text} {
		step, err := m.Prepare(effective(t, text), effective(t, next))
		require.NoError(t, err)
		require.Empty(t, step.Changes)
		require.Nil(t, step.Commit)
	}
}

func TestPrepare_ChangeOfOneJobLeavesTheLoopsOfOthersAlone(t *testing.T) {
	a, b := newTarget(t, page("m 1\n")), newTarget(t, page("m 1\n"))
	before := scraping(job("a", a, ""), job("b", b, ""))
	after := scraping(job("a", a, ", params: {x: [y]}"), job("b", b, ""))
	m := startManager(t, before)
	enough := func(more int64) {
		t.Helper()
		want := b.scrapes.Load() + more
		require.Eventually(t, func() bool { return b.scrapes.Load() >= want }, patience, 5*time.Millisecond, "scrapes of b")
	}
	enough(3)
	target := m.Upstream().TargetsActive()["b"][0]
	require.Equal(t, []string{`scrape: 1 job(s) changed: "a"`}, m.apply(t, effective(t, before), effective(t, after)))
	enough(3)
	require.Equal(t, 1.0, m.metric(t, "prometheus_target_scrape_pool_reloads_total"), "only the pool of a")
	require.Same(t, target, m.Upstream().TargetsActive()["b"][0])
}

func TestPrepare_JobsComeAndGo(t *testing.T) {
	a, b := newTarget(t, page("m 1\n")), newTarget(t, page("m 1\n"))
	first, second := scraping(job("a", a, "")), scraping(job("b", b, ""))
	m := startManager(t, first)
	m.eventually(t, `up{job="a"}`, 1)
	step, err := m.Prepare(effective(t, first), effective(t, second))
	require.NoError(t, err)
	require.Equal(t, []string{`scrape: 1 job(s) added: "b"`, `scrape: 1 job(s) removed: "a"`}, step.Changes)
	require.NoError(t, step.Commit())
	m.eventually(t, `up{job="b"}`, 1)
	require.Equal(t, []string{"b"}, m.Upstream().ScrapePools())

	gone := a.scrapes.Load()
	require.NoError(t, step.Undo())
	require.Eventually(t, func() bool { return a.scrapes.Load() > gone }, patience, 10*time.Millisecond, "a is scraped again")
	require.Equal(t, []string{"a"}, m.Upstream().ScrapePools())
}

func TestPrepare_UndoOfTheFirstLeavesNoTargets(t *testing.T) {
	a := newTarget(t, page("m 1\n"))
	m := newManager(t)
	m.start(t)
	step, err := m.Prepare(nil, effective(t, scraping(job("a", a, ""))))
	require.NoError(t, err)
	require.NoError(t, step.Commit())
	m.eventually(t, `up{job="a"}`, 1)
	require.NoError(t, step.Undo())
	require.Empty(t, m.Upstream().ScrapePools())
}

func TestPrepare_JobThatCannotBeBuilt(t *testing.T) {
	a := newTarget(t, page("m 1\n"))
	before := scraping(job("a", a, ""))
	m := startManager(t, before)
	missing := filepath.Join(t.TempDir(), "missing")
	after := scraping(job("a", a, fmt.Sprintf(", tls_config: {ca_file: %q}", filepath.Join(missing, "ca.pem"))),
		job("b", a, fmt.Sprintf(", scrape_failure_log_file: %q", filepath.Join(missing, "failures.log"))))
	_, err := m.Prepare(effective(t, before), effective(t, after))
	var faults config.Faults
	require.ErrorAs(t, err, &faults)
	require.Len(t, faults, 2)
	require.ErrorContains(t, err, "prometheus: scrape_configs/a: build its HTTP client: ")
	require.ErrorContains(t, err, filepath.Join(missing, "ca.pem"))
	require.ErrorContains(t, err, fmt.Sprintf("prometheus: scrape_configs/b: scrape_failure_log_file: open log file %q for writing: no such file or directory", filepath.Join(missing, "failures.log")))
	m.eventually(t, `up{job="a"} == 1`, 1)
}

func TestPrepare_FileGoneBeforeCommitPutsBack(t *testing.T) {
	a := newTarget(t, page("m 1\n"))
	logs := filepath.Join(t.TempDir(), "logs")
	require.NoError(t, os.Mkdir(logs, 0o700))
	before := scraping(job("a", a, ""))
	after := scraping(job("b", a, fmt.Sprintf(", scrape_failure_log_file: %q", filepath.Join(logs, "failures.log"))))
	m := startManager(t, before)
	step, err := m.Prepare(effective(t, before), effective(t, after))
	require.NoError(t, err)
	require.NoError(t, os.Remove(logs))
	require.ErrorContains(t, step.Commit(), logs)
	m.eventually(t, `up{job="a"} == 1`, 1)
	require.Equal(t, []string{"a"}, m.Upstream().ScrapePools())
}

func TestPrepare_SecretAloneIsAChange(t *testing.T) {
	a := newTarget(t, page("m 1\n"))
	with := func(password string) string {
		return scraping(job("a", a, fmt.Sprintf(", basic_auth: {username: u, password: %q}", password)))
	}
	m := startManager(t, with("old"))
	step, err := m.Prepare(effective(t, with("old")), effective(t, with("new")))
	require.NoError(t, err)
	require.Equal(t, []string{`scrape: 1 job(s) changed: "a"`}, step.Changes)
}

func TestCheckJob(t *testing.T) {
	jobWith := func(extra string) error {
		e := effective(t, "scrape_configs: [{job_name: a "+extra+"}]")
		return CheckJob(e.Prometheus.ScrapeConfigs[0])
	}
	require.NoError(t, jobWith(""))
	require.ErrorContains(t, jobWith(", tls_config: {ca_file: /no/such/ca.pem}"), "build its HTTP client: ")
	require.ErrorContains(t, jobWith(", tls_config: {cert_file: /no/such/cert.pem, key_file: /no/such/key.pem}"), "/no/such/cert.pem")
}
