package alerting

import (
	"cmp"
	"context"
	"encoding/base64"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/alertmanager/alert"
	amcommoncfg "github.com/prometheus/alertmanager/config/common"
	"github.com/prometheus/alertmanager/notify"
	commonconfig "github.com/prometheus/common/config"
)

// concealed keeps the secrets of its receiver out of an integration's errors,
// which end up in logs. Upstream hides URLs in them, but not all: Telegram's has
// the token in its path.
type concealed struct {
	inner   notify.Notifier
	secrets []string
}

// Notify implements notify.Notifier.
func (c concealed) Notify(ctx context.Context, alerts ...*alert.Alert) (retry bool, err error) {
	retry, err = c.inner.Notify(ctx, alerts...)
	if err == nil {
		return retry, nil
	}
	if text := conceal(err.Error(), c.secrets); text != err.Error() {
		err = concealedError{text: text, err: err}
	}
	return retry, err
}

// concealedError is an error in other words. What it wraps serves errors.Is and
// errors.As alone.
type concealedError struct {
	text string
	err  error
}

func (e concealedError) Error() string { return e.text }
func (e concealedError) Unwrap() error { return e.err }

// telegramToken matches it also where it was read from a file.
var telegramToken = regexp.MustCompile(`/bot[^/\s"]+/`)

func conceal(text string, secrets []string) string {
	for _, secret := range secrets {
		text = strings.ReplaceAll(text, secret, amcommoncfg.SecretToken)
	}
	return telegramToken.ReplaceAllString(text, "/bot"+amcommoncfg.SecretToken+"/")
}

// minSecret is the length from which on a secret can be told from other text.
const minSecret = 4

// secretsIn returns all secrets in a configuration, the longest first, since one
// may be part of another.
func secretsIn(config any) []string {
	var found []string
	collectSecrets(reflect.ValueOf(config), func(secret string) {
		if len(secret) >= minSecret {
			found = append(found, secret)
			found = append(found, secretsInURL(secret)...)
		}
	})
	return longestFirst(found)
}

func longestFirst(secrets []string) []string {
	slices.SortFunc(secrets, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	return slices.Compact(secrets)
}

// minURLSecret is the length from which on a part of a secret URL counts as a secret:
// what tells one webhook from another is longer, the words around it are shorter.
const minURLSecret = 16

// secretsInURL are what a service may say of the URL that it was called by without
// saying all of it: its answers become part of errors.
func secretsInURL(secret string) []string {
	u, err := url.Parse(secret)
	if err != nil || u.Host == "" {
		return nil
	}
	parts := append(strings.Split(u.EscapedPath(), "/"), strings.Split(u.Path, "/")...)
	for _, values := range u.Query() {
		parts = append(parts, values...)
	}
	parts = append(parts, u.RequestURI(), u.RawQuery)
	parts = slices.DeleteFunc(parts, func(part string) bool { return len(part) < minURLSecret })
	if password, ok := u.User.Password(); ok && len(password) >= minSecret {
		parts = append(parts, password)
	}
	return parts
}

func collectSecrets(v reflect.Value, found func(string)) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			collectSecrets(v.Elem(), found)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			collectSecrets(v.Index(i), found)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			collectSecrets(v.MapIndex(key), found)
		}
	case reflect.String:
		if strings.HasPrefix(v.Type().Name(), "Secret") { // Secret and SecretTemplateURL, of several packages
			found(v.String())
		}
	case reflect.Struct:
		collectFields(v, found)
	}
}

func collectFields(v reflect.Value, found func(string)) {
	if v.Type() == reflect.TypeFor[amcommoncfg.SecretURL]() {
		if u, ok := reflect.TypeAssert[*url.URL](v.FieldByName("URL")); ok && u != nil {
			found(u.String())
		}
		return
	}
	if auth, ok := reflect.TypeAssert[commonconfig.BasicAuth](v); ok && auth.Password != "" {
		found(base64.StdEncoding.EncodeToString([]byte(auth.Username + ":" + string(auth.Password)))) // as it is sent
	}
	for i := range v.NumField() {
		if v.Type().Field(i).IsExported() {
			collectSecrets(v.Field(i), found)
		}
	}
}
