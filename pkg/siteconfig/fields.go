package siteconfig

import "strings"

// kind is the JSON type that a setting has to have.
type kind int

const (
	textKind kind = iota
	numberKind
	flagKind
	listKind
	objectKind
)

// field is a setting that is known.
type field struct {
	name   string
	kind   kind
	secret bool                 // of a text: it must not be shown
	items  func() field         // of a list: each of its elements
	within func(object) []field // of an object: its own settings
}

// members are the settings of an object, which may depend on what it holds.
func (f field) members(value object) []field { return f.within(value) }

func textField(name string) field   { return field{name: name, kind: textKind} }
func secretField(name string) field { return field{name: name, kind: textKind, secret: true} }
func numberField(name string) field { return field{name: name, kind: numberKind} }
func flagField(name string) field   { return field{name: name, kind: flagKind} }

func listOf(name string, items field) field {
	return field{name: name, kind: listKind, items: func() field { return items }}
}

func objectOf(name string, within func(object) []field) field {
	return field{name: name, kind: objectKind, within: within}
}

// always are settings that do not depend on anything.
func always(fields ...field) func(object) []field {
	return func(object) []field { return fields }
}

// documentFields are the keys of a site configuration that are used.
func documentFields() []field {
	alert := objectOf("", always(
		textField("level"),
		flagField("disableSendResolved"),
		listOf("owners", textField("")),
		objectOf("notifier", notifierFields),
	))
	return []field{
		listOf(alertsKey, alert),
		listOf(silencesKey, textField("")),
		textField(addressKey),
		objectOf(smtpKey, always(smtpFields()...)),
		textField(urlKey),
	}
}

// notifierFields are the settings of a notifier's type. Of one that nobody knows,
// everything but the type counts as secret.
func notifierFields(notifier object) []field {
	name := ""
	for _, m := range notifier {
		if value, isText := m.value.(string); isText && strings.EqualFold(m.name, "type") {
			name = value
		}
	}
	fields := []field{textField("type")}
	if t, known := notifierTypeOf(name); known {
		fields = append(fields, t.fields...)
	}
	return fields
}

func smtpFields() []field {
	return []field{
		textField("host"),
		numberField("port"),
		textField("authentication"),
		textField("username"),
		secretField("password"),
		textField("domain"),
		flagField("noVerifyTLS"),
		listOf("additionalHeaders", objectOf("", headerFields)),
	}
}

// headerFields are the settings of a header. Unless it is certain that its value
// may be shown, it may not.
func headerFields(header object) []field {
	value := textField("value")
	for _, m := range header {
		if strings.EqualFold(m.name, "sensitive") {
			value.secret = m.value != false && m.value != nil
		}
	}
	return []field{textField("key"), value, flagField("sensitive")}
}
