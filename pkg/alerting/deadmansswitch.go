package alerting

import (
	"fmt"
	"slices"
	"time"

	amconfig "github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/pkg/labels"
	"github.com/prometheus/common/model"
)

// DeadMansSwitch is the name of the alert that always fires, so that its absence
// tells that alerting is dead. Who sends it is another part.
const DeadMansSwitch = "SrcpromDeadMansSwitch"

// deadMansSwitchRepeat is shorter than any time between two notifications, so that
// each group_interval sends one.
const deadMansSwitchRepeat = model.Duration(time.Millisecond)

// withDeadMansSwitch is the tree of routes of a configuration, with ours in front
// where a receiver is named for it. The configuration itself stays as it was
// written, as the API shows it.
//
// Inhibition and silences hold for the alert as for any other: who mutes it means
// it.
func (e *engine) withDeadMansSwitch(conf *amconfig.Config) (*amconfig.Route, error) {
	name := e.opts.DeadMansSwitchReceiver
	if name == "" {
		return conf.Route, nil
	}
	if !slices.ContainsFunc(conf.Receivers, func(r amconfig.Receiver) bool { return r.Name == name }) {
		return nil, alertmanagerFault(fmt.Sprintf("receivers: there is none named %q, which --alerting.dead-mans-switch.receiver names: add it, or change the flag", name))
	}
	matcher, err := labels.NewMatcher(labels.MatchEqual, model.AlertNameLabel, DeadMansSwitch)
	if err != nil {
		return nil, fmt.Errorf("match the dead man's switch: %w", err)
	}
	var wait model.Duration
	interval, repeat := model.Duration(e.opts.DeadMansSwitchInterval), deadMansSwitchRepeat
	tree := *conf.Route
	tree.Routes = append([]*amconfig.Route{{
		Receiver:       name,
		Matchers:       []*labels.Matcher{matcher},
		GroupBy:        []model.LabelName{model.AlertNameLabel},
		GroupWait:      &wait,
		GroupInterval:  &interval,
		RepeatInterval: &repeat,
	}}, conf.Route.Routes...)
	return &tree, nil
}
