package config

import (
	"fmt"
	"reflect"
	"strings"

	amconfig "github.com/prometheus/alertmanager/config"
	commoncfg "github.com/prometheus/common/config"
)

// loadAlertmanager reads the alertmanager document. It comes after the
// templates, which integrations may be checked with.
func (l *loader) loadAlertmanager() {
	doc, ok := l.docs[AlertmanagerDocument]
	if !ok && l.opts.Overlay == nil {
		doc.Content = builtinAlertmanager
	}
	text, ok := l.overlay(doc)
	if !ok {
		return
	}
	cfg, err := l.parseAlertmanager(text)
	if err != nil || l.checkIntegrations(cfg) != nil {
		cfg = l.splitAlertmanager(text, err)
	}
	l.out.Alertmanager = cfg
	l.lostProblems()
	l.origin = nil
}

// parseAlertmanager parses an alertmanager document with upstream's own parser
// and makes its paths absolute.
func (l *loader) parseAlertmanager(text string) (cfg *amconfig.Config, err error) {
	err = guard(func() error {
		if cfg, err = amconfig.Load(text); err != nil {
			return err
		}
		if err := refuseNull(cfg); err != nil {
			return err
		}
		resolvePaths(l.opts.AlertmanagerDir, cfg)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return cfg, nil
}

// checkIntegrations asks CheckIntegration about each integration in use.
func (l *loader) checkIntegrations(cfg *amconfig.Config) error {
	if l.opts.CheckIntegration == nil {
		return nil
	}
	used := receiversOf(cfg.Route, map[string]bool{})
	for _, receiver := range cfg.Receivers {
		if !used[receiver.Name] {
			continue
		}
		for _, alone := range eachAlone(receiver) {
			if err := l.checkIntegration(alone); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkIntegration asks CheckIntegration about one, unless it runs already.
func (l *loader) checkIntegration(alone aloneIntegration) error {
	if l.opts.CheckIntegration == nil || reflect.DeepEqual(alone.config, l.runningIntegration(alone.integrationID)) {
		return nil
	}
	return guard(func() error { return l.opts.CheckIntegration(alone.config, l.out.Templates) })
}

// runningIntegration returns the integration of a name that runs, else a
// receiver without any.
func (l *loader) runningIntegration(id integrationID) amconfig.Receiver {
	if l.integrations == nil {
		l.integrations = map[integrationID]amconfig.Receiver{}
		if running := l.opts.Running; running != nil {
			for _, receiver := range running.Alertmanager.Receivers {
				for _, alone := range eachAlone(receiver) {
					alone.index = running.TextIndex(alone.receiver, alone.kind, alone.index)
					l.integrations[alone.integrationID] = alone.config
				}
			}
		}
	}
	return l.integrations[id]
}

// receiversOf returns the names of the receivers that a route tree uses.
func receiversOf(route *amconfig.Route, into map[string]bool) map[string]bool {
	if route == nil {
		return into
	}
	into[route.Receiver] = true
	for _, child := range route.Routes {
		receiversOf(child, into)
	}
	return into
}

// integrationID names an integration by its place in the text.
type integrationID struct {
	receiver, kind string
	index          int
}

// aloneIntegration is a copy of a receiver with only one of its integrations.
type aloneIntegration struct {
	integrationID
	config amconfig.Receiver
}

// eachAlone returns each integration of a receiver.
func eachAlone(receiver amconfig.Receiver) []aloneIntegration {
	var all []aloneIntegration
	bare := amconfig.Receiver{Name: receiver.Name, Labels: receiver.Labels}
	eachList(&receiver, func(field reflect.StructField, list reflect.Value) {
		kind := strings.TrimSuffix(settingOf(field), integrationSuffix)
		for i := range list.Len() {
			alone := bare
			reflect.ValueOf(&alone).Elem().FieldByIndex(field.Index).Set(list.Slice3(i, i+1, i+1))
			all = append(all, aloneIntegration{integrationID{receiver.Name, kind, i}, alone})
		}
	})
	return all
}

// eachList calls f for each list of integrations that a receiver has, unless it is
// empty.
func eachList(receiver *amconfig.Receiver, f func(field reflect.StructField, list reflect.Value)) {
	value := reflect.ValueOf(receiver).Elem()
	for i := range value.NumField() {
		if value.Field(i).Kind() == reflect.Slice && value.Field(i).Len() > 0 {
			f(value.Type().Field(i), value.Field(i))
		}
	}
}

// refuseNull finds integrations without any settings where upstream's parser
// lets them pass, and would dereference nil later.
func refuseNull(cfg *amconfig.Config) error {
	for i := range cfg.Receivers {
		var err error
		eachList(&cfg.Receivers[i], func(field reflect.StructField, list reflect.Value) {
			for k := range list.Len() {
				if list.Index(k).IsNil() {
					err = fmt.Errorf("missing settings in %s[%d] of receiver %q", settingOf(field), k, cfg.Receivers[i].Name)
				}
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// resolvePaths joins relative paths with a directory, as resolveFilepaths in
// upstream's config/config.go does, which LoadFile calls and Load does not. Unlike
// there, http_config of incidentio_configs is no exception. Files that are named
// outside of http_config stay relative to the working directory, as upstream.
func resolvePaths(dir string, cfg *amconfig.Config) {
	for i, pattern := range cfg.Templates {
		cfg.Templates[i] = commoncfg.JoinDir(dir, pattern)
	}
	cfg.Global.HTTPConfig.SetDirectory(dir)
	for i := range cfg.Receivers {
		eachList(&cfg.Receivers[i], func(_ reflect.StructField, list reflect.Value) {
			for k := range list.Len() {
				setHTTPDirectory(list.Index(k).Elem().FieldByName("HTTPConfig"), dir)
			}
		})
	}
	recorder := &cfg.EventRecorder
	for i := range recorder.FileOutputs {
		recorder.FileOutputs[i].Path = commoncfg.JoinDir(dir, recorder.FileOutputs[i].Path)
	}
	for i := range recorder.WebhookOutputs {
		recorder.WebhookOutputs[i].HTTPConfig.SetDirectory(dir)
	}
	for i := range recorder.KafkaOutputs {
		recorder.KafkaOutputs[i].TLSConfig.SetDirectory(dir)
	}
}

func setHTTPDirectory(field reflect.Value, dir string) {
	if !field.IsValid() {
		return // email has none
	}
	if http, ok := reflect.TypeAssert[*commoncfg.HTTPClientConfig](field); ok {
		http.SetDirectory(dir)
	}
}
