package e2e

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	alertsPath   = "/alertmanager/api/v2/alerts"
	silencesPath = "/alertmanager/api/v2/silences"
	silencePath  = "/alertmanager/api/v2/silence/"
	configPath   = "/api/srcprom/v1/config"
)

// postedAlert is an alert as clients post it.
type postedAlert struct {
	Labels   map[string]string `json:"labels"`
	StartsAt *time.Time        `json:"startsAt,omitempty"`
	EndsAt   *time.Time        `json:"endsAt,omitempty"`
}

// shownAlert is an alert as the API shows it.
type shownAlert struct {
	Labels   map[string]string `json:"labels"`
	StartsAt time.Time         `json:"startsAt"`
	EndsAt   time.Time         `json:"endsAt"`
}

// matcher is one of a silence's.
type matcher struct {
	Name    string `json:"name"`
	Value   string `json:"value"`
	IsRegex bool   `json:"isRegex"`
	IsEqual bool   `json:"isEqual"`
}

// silence is a silence as it is posted, and as the API shows it.
type silence struct {
	ID        string    `json:"id,omitempty"`
	Matchers  []matcher `json:"matchers"`
	StartsAt  time.Time `json:"startsAt"`
	EndsAt    time.Time `json:"endsAt"`
	CreatedBy string    `json:"createdBy"`
	Comment   string    `json:"comment"`
	Status    *struct {
		State string `json:"state"`
	} `json:"status,omitempty"`
}

// silenceOf is a new silence of one alert for one hour.
func silenceOf(alertname string) silence {
	return silence{
		Matchers:  []matcher{{Name: "alertname", Value: alertname, IsEqual: true}},
		StartsAt:  time.Now().UTC(),
		EndsAt:    time.Now().Add(time.Hour).UTC().Truncate(time.Millisecond),
		CreatedBy: "test",
		Comment:   "of " + alertname,
	}
}

// alert makes an alert of that name, with further labels in pairs.
func alert(name string, labels ...string) postedAlert {
	a := postedAlert{Labels: map[string]string{"alertname": name}}
	for i := 0; i+1 < len(labels); i += 2 {
		a.Labels[labels[i]] = labels[i+1]
	}
	return a
}

// resolved is the same alert with an end that has come.
func (a postedAlert) resolved() postedAlert {
	now := time.Now().UTC()
	a.EndsAt = &now
	return a
}

// postAlerts posts alerts, which has to be acknowledged.
func (p *process) postAlerts(alerts ...postedAlert) {
	p.t.Helper()
	p.do(http.MethodPost, alertsPath, alerts)
}

// putSilence creates or edits a silence, which has to be acknowledged, and returns
// it as the API shows it then.
func (p *process) putSilence(s silence) silence {
	p.t.Helper()
	return p.getSilence(silenceID(p, p.do(http.MethodPost, silencesPath, s)))
}

func silenceID(p *process, answer string) string {
	p.t.Helper()
	var made struct{ SilenceID string }
	require.NoError(p.t, json.Unmarshal([]byte(answer), &made))
	return made.SilenceID
}

func (p *process) getSilence(id string) silence {
	p.t.Helper()
	var s silence
	p.getJSON(silencePath+id, &s)
	return s
}

func (p *process) expireSilence(id string) {
	p.t.Helper()
	p.do(http.MethodDelete, silencePath+id, nil)
}

// alertsByName are the alerts that are active.
func (p *process) alertsByName() map[string]shownAlert {
	p.t.Helper()
	var shown []shownAlert
	p.getJSON(alertsPath, &shown)
	byName := map[string]shownAlert{}
	for _, a := range shown {
		byName[a.Labels["alertname"]] = a
	}
	return byName
}

// silencesByComment are all silences, expired ones included.
func (p *process) silencesByComment() map[string]silence {
	p.t.Helper()
	var shown []silence
	p.getJSON(silencesPath, &shown)
	byComment := map[string]silence{}
	for _, s := range shown {
		byComment[s.Comment] = s
	}
	return byComment
}
