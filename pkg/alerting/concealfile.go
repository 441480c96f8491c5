package alerting

import (
	"io"
	"os"
	"reflect"
	"strings"

	commonconfig "github.com/prometheus/common/config"
)

// maxSecretFile is how much of a file is read: what is longer is no secret that
// could be said in an error.
const maxSecretFile = 64 << 10

// secretsInFiles are the secrets in the files that a configuration names, as they
// are now, the longest first. A file that cannot be read has none.
func secretsInFiles(config any) []string {
	var found []string
	collectFiles(reflect.ValueOf(config), "", func(path string) {
		secret := strings.TrimSpace(readSecret(path))
		if len(secret) >= minSecret {
			found = append(found, secret)
			found = append(found, secretsInURL(secret)...)
		}
	})
	return longestFirst(found)
}

// readSecret reads a file, unless it is something whose opening may block.
func readSecret(path string) string {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return ""
	}
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSecretFile))
	if err != nil {
		return ""
	}
	return string(text)
}

// collectFiles finds the settings whose name says that they are the path of a file.
func collectFiles(v reflect.Value, setting string, found func(path string)) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			collectFiles(v.Elem(), setting, found)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			collectFiles(v.Index(i), setting, found)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			collectFiles(v.MapIndex(key), setting, found)
		}
	case reflect.String:
		if strings.HasSuffix(setting, "_file") && v.String() != "" {
			found(v.String())
		}
	case reflect.Struct:
		if header, ok := reflect.TypeAssert[commonconfig.Header](v); ok {
			for _, path := range header.Files {
				found(path)
			}
			return
		}
		for i := range v.NumField() {
			if field := v.Type().Field(i); field.IsExported() {
				name, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
				collectFiles(v.Field(i), name, found)
			}
		}
	}
}
