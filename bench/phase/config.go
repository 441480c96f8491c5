package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"github.com/sourcegraph/srcprom/bench/internal/contender"
)

const globalConfig = `
global:
  scrape_interval: %[1]s
  scrape_timeout: %[1]s
  evaluation_interval: %[1]s
rule_files: [%[2]q]
scrape_configs:
`

const jobConfig = `
  - job_name: %s
    http_headers: { %s: { values: [%q] } }
    static_configs:
      - targets: [%s]
`

const alertmanagerConfig = `
route:
  receiver: bench
  group_by: [...]
  group_wait: 0s
  group_interval: 30s
  repeat_interval: 4h
receivers:
  - name: bench
    webhook_configs:
      - url: %q
        send_resolved: false
`

// study is a scenario with its lab and its rules, which all contenders read from the
// same files: a file's path is part of the phase.
type study struct {
	scenario
	lab     *lab
	dir     string     // of the rule files
	targets [][]string // the addresses, by job
}

func newStudy(s scenario, random *rand.Rand) (*study, error) {
	dir, err := os.MkdirTemp("", "srcprom-rules-")
	if err != nil {
		return nil, err
	}
	st := &study{scenario: s, lab: newLab(s.jobs * s.targets), dir: dir}
	names := groupNames(s.groups, random)
	addresses := st.lab.addresses()
	for i := range s.jobs {
		st.targets = append(st.targets, addresses[i*s.targets:(i+1)*s.targets])
		file := filepath.Join(dir, job(i)+".yml")
		if err := os.WriteFile(file, []byte(ruleFile(job(i), names, s.chain)), 0o600); err != nil {
			st.close()
			return nil, err
		}
	}
	return st, nil
}

func (st *study) close() {
	st.lab.close()
	_ = os.RemoveAll(st.dir)
}

func job(i int) string { return fmt.Sprintf("target%d", i+1) }

// config differs between contenders in whom they say to be, and in nothing else.
func (st *study) config(contenderKey string) contender.Config {
	var b strings.Builder
	fmt.Fprintf(&b, globalConfig, st.interval, filepath.Join(st.dir, "*.yml"))
	for i, addresses := range st.targets {
		fmt.Fprintf(&b, jobConfig, job(i), contenderHeader, contenderKey, quoted(addresses))
	}
	return contender.Config{
		Prometheus:   b.String(),
		Alertmanager: fmt.Sprintf(alertmanagerConfig, st.lab.webhook.URL+"/"+contenderKey),
	}
}

// flip chooses the targets of a trial: one of each job.
func (st *study) flip(random *rand.Rand) []string {
	var targets []string
	for _, addresses := range st.targets {
		targets = append(targets, addresses[random.IntN(len(addresses))])
	}
	return targets
}

// ruleGroups is how many each contender evaluates.
func (st *study) ruleGroups() int { return st.jobs * st.groups * st.chain }
