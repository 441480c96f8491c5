package config

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	commoncfg "github.com/prometheus/common/config"
)

// warnOfMissingFiles names the secret files that cannot be read. The engines
// read most of them at each use, so that they may still come.
func (l *loader) warnOfMissingFiles() {
	l.warnOfFilesIn(PrometheusDocument, l.out.Prometheus)
	l.warnOfFilesIn(AlertmanagerDocument, l.out.Alertmanager)
}

func (l *loader) warnOfFilesIn(doc string, cfg any) {
	looked := map[string]bool{}
	f := fileFinder{holds: map[reflect.Type]bool{}, seen: map[any]bool{}}
	f.found = func(setting, path string) {
		if looked[path] {
			return
		}
		looked[path] = true
		if err := readable(path); err != nil {
			l.out.Warnings = append(l.out.Warnings, fmt.Sprintf("%s: %s: %s; what needs it fails until it can be read", doc, setting, err))
		}
	}
	f.walk(reflect.ValueOf(cfg), "")
}

// readable opens a file, unless it is something whose opening may block.
func readable(path string) error {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return f.Close()
}

// writtenFiles are settings that end in _file and name what the engines write.
var writtenFiles = []string{"query_log_file", "scrape_failure_log_file"}

// fileFinder looks for settings whose name says that they are the path of a file,
// wherever they are in a configuration.
type fileFinder struct {
	found func(setting, path string)
	holds map[reflect.Type]bool // whether a value of the type can hold such a setting
	seen  map[any]bool          // pointers: receivers share http_config
}

func (f *fileFinder) walk(v reflect.Value, setting string) {
	switch v.Kind() {
	case reflect.Pointer:
		if pointer := v.Interface(); !v.IsNil() && f.mayHold(v.Type().Elem()) && !f.seen[pointer] {
			f.seen[pointer] = true
			f.walk(v.Elem(), setting)
		}
	case reflect.Interface:
		if !v.IsNil() {
			f.walk(v.Elem(), setting)
		}
	case reflect.Struct:
		f.walkStruct(v)
	case reflect.Slice:
		if f.mayHold(v.Type().Elem()) {
			for i := range v.Len() {
				f.walk(v.Index(i), setting)
			}
		}
	case reflect.Map:
		if f.mayHold(v.Type().Elem()) {
			keys := v.MapKeys()
			slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
			for _, key := range keys {
				f.walk(v.MapIndex(key), setting)
			}
		}
	case reflect.String:
		if isSecretFile(setting) && v.String() != "" {
			f.found(setting, v.String())
		}
	}
}

func (f *fileFinder) walkStruct(v reflect.Value) {
	if !f.mayHold(v.Type()) {
		return
	}
	if v.Type() == reflect.TypeFor[commoncfg.Header]() {
		for _, path := range v.Interface().(commoncfg.Header).Files {
			f.found("http_headers", path)
		}
		return
	}
	for i := range v.NumField() {
		if field := v.Type().Field(i); field.IsExported() {
			f.walk(v.Field(i), settingOf(field))
		}
	}
}

func settingOf(field reflect.StructField) string {
	name, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
	return name
}

// mayHold tells whether it is worth to look into values of a type. Most have no
// file in them, and there are many of them.
func (f *fileFinder) mayHold(t reflect.Type) bool {
	if known, ok := f.holds[t]; ok {
		return known
	}
	f.holds[t] = true // for a type within itself
	holds := t.Kind() == reflect.Interface || t == reflect.TypeFor[commoncfg.Header]()
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		holds = f.mayHold(t.Elem())
	case reflect.Struct:
		for field := range t.Fields() {
			if field.IsExported() {
				holds = holds || isSecretFile(settingOf(field)) || f.mayHold(field.Type)
			}
		}
	}
	f.holds[t] = holds
	return holds
}

// isSecretFile tells by its name whether a setting is the path of a file that is
// read when it is needed.
func isSecretFile(setting string) bool {
	return strings.HasSuffix(setting, "_file") && !slices.Contains(writtenFiles, setting)
}
