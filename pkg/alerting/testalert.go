package alerting

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/template"
	"github.com/prometheus/common/model"

	"github.com/sourcegraph/srcprom/pkg/client"
)

// testAlert is the name of the alert of a test notification, where no other was
// asked for.
const testAlert = "SrcpromTestNotification"

// testMark begins what people read of a test notification: its alertname, its
// description, its summary. Titles in all usual styles have one of these.
const testMark = "[TEST] "

const (
	testSummary     = testMark + "Test notification of srcprom: nothing is wrong."
	testDescription = testMark + "Somebody tests how this receiver is reached. No alert fires, and no end of it will be told: close by hand what this has opened."
)

// testStop is a receiver that a test notification is sent through, and the group of
// alerts that it is told of.
type testStop struct {
	receiver    string
	route       *dispatch.Route // nil where the receiver was named
	alert       *alert.Alert
	groupLabels model.LabelSet
}

// stopsOf are those of a request, in the order of the routes.
func stopsOf(req client.TestNotificationRequest, routes *dispatch.Route, link string) ([]testStop, error) {
	if req.Receiver != "" {
		a := newTestAlert(defaultTestLabels(), link)
		return []testStop{{receiver: req.Receiver, alert: a, groupLabels: model.LabelSet{model.AlertNameLabel: a.Labels[model.AlertNameLabel]}}}, nil
	}
	asked := model.LabelSet{model.AlertNameLabel: testAlert}
	for name, value := range req.Labels {
		if value == "" { // as upstream: it is no label
			continue
		}
		asked[model.LabelName(name)] = model.LabelValue(value)
	}
	if err := asked.Validate(); err != nil {
		return nil, QueryError{Reason: fmt.Sprintf("labels: %s", err)}
	}
	a := newTestAlert(asked, link)
	var stops []testStop
	for _, r := range routes.Match(asked) {
		stops = append(stops, testStop{receiver: r.RouteOpts.Receiver, route: r, alert: a, groupLabels: groupOf(a.Labels, r).labels})
	}
	return stops, nil
}

// defaultTestLabels are those that routes and templates of the usual styles are
// written for.
func defaultTestLabels() model.LabelSet {
	return model.LabelSet{
		model.AlertNameLabel: testAlert,
		"level":              "warning",
		"severity":           "warning",
		"service_name":       "prometheus",
		"name":               "test_notification",
		"owner":              "test",
	}
}

// newTestAlert is an alert that everybody recognises as a test. Its labels differ from
// those of every real one, so that no receiver takes one for the other.
func newTestAlert(asked model.LabelSet, link string) *alert.Alert {
	now, lset := time.Now(), asked.Clone()
	if lset[model.AlertNameLabel] != testAlert {
		lset[model.AlertNameLabel] = testMark + lset[model.AlertNameLabel]
	}
	if description, ok := asked["description"]; ok {
		lset["description"] = testMark + description
	} else {
		lset["description"] = testMark + "test notification of srcprom"
	}
	return &alert.Alert{
		Alert: model.Alert{
			Labels:       lset,
			Annotations:  model.LabelSet{"summary": testSummary, "description": testDescription, "srcprom_test": "true"},
			StartsAt:     now,
			GeneratorURL: link,
		},
		UpdatedAt: now,
	}
}

// flush says of the notification what a dispatcher would say of it. The group key
// is like no other: services that go by it never put a test and a real alert, or two
// tests, into one incident.
func (s testStop) flush(tmpl *template.Template) flushed {
	f := flushed{
		groupKey: fmt.Sprintf("srcprom-test/%s:%s", uuid.NewString(), s.groupLabels),
		hash:     hashAlert(s.alert),
		testStop: s,
	}
	if s.route != nil {
		f.routeLabels = renderRouteLabels(tmpl, s)
	}
	return f
}

type flushed struct {
	testStop
	groupKey    string
	hash        uint64
	routeLabels model.LabelSet
}

// renderRouteLabels follows aggrGroup.renderRouteLabels of Alertmanager's
// dispatch/dispatch.go: a label that cannot be rendered is left out.
func renderRouteLabels(tmpl *template.Template, s testStop) model.LabelSet {
	given := s.route.RouteOpts.Labels
	rendered := make(model.LabelSet, len(given))
	if len(given) == 0 {
		return rendered
	}
	render := tmpl.RouteLabelRenderer(tmpl.Data(s.receiver, s.groupLabels, given, notify.ReasonUnknown.String(), s.alert))
	for name := range given {
		if value, err := render(string(name)); err == nil {
			rendered[name] = model.LabelValue(value)
		}
	}
	return rendered
}
