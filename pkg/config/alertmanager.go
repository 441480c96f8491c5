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
	if !ok {
		doc.Content = builtinAlertmanager
	}
	cfg, err := l.parseAlertmanager(doc.Content)
	if err != nil || l.checkIntegrations(cfg) != nil {
		cfg = l.splitAlertmanager(doc.Content, err)
	}
	l.out.Alertmanager = cfg
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

func (l *loader) checkIntegration(alone amconfig.Receiver) error {
	return guard(func() error { return l.opts.CheckIntegration(alone, l.out.Templates) })
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

// eachAlone returns a copy of a receiver for each of its integrations, which
// has only that one.
func eachAlone(receiver amconfig.Receiver) []amconfig.Receiver {
	var all []amconfig.Receiver
	bare := amconfig.Receiver{Name: receiver.Name, Labels: receiver.Labels}
	eachList(&receiver, func(field int, list reflect.Value) {
		for i := range list.Len() {
			alone := bare
			reflect.ValueOf(&alone).Elem().Field(field).Set(list.Slice3(i, i+1, i+1))
			all = append(all, alone)
		}
	})
	return all
}

// eachList calls f for each list of integrations that a receiver has.
func eachList(receiver *amconfig.Receiver, f func(field int, list reflect.Value)) {
	value := reflect.ValueOf(receiver).Elem()
	for i := range value.NumField() {
		if value.Field(i).Kind() == reflect.Slice {
			f(i, value.Field(i))
		}
	}
}

// refuseNull finds integrations without any settings where upstream's parser
// lets them pass, and would dereference nil later.
func refuseNull(cfg *amconfig.Config) error {
	for i := range cfg.Receivers {
		var err error
		eachList(&cfg.Receivers[i], func(field int, list reflect.Value) {
			for k := range list.Len() {
				if list.Index(k).IsNil() {
					name, _, _ := strings.Cut(reflect.TypeFor[amconfig.Receiver]().Field(field).Tag.Get("yaml"), ",")
					err = fmt.Errorf("missing settings in %s[%d] of receiver %q", name, k, cfg.Receivers[i].Name)
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
		eachList(&cfg.Receivers[i], func(_ int, list reflect.Value) {
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
	if http, ok := field.Interface().(*commoncfg.HTTPClientConfig); ok {
		http.SetDirectory(dir)
	}
}
