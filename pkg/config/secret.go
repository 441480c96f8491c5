package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"

	amconfig "github.com/prometheus/alertmanager/config"
	commoncfg "github.com/prometheus/common/config"
	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery"
	"go.yaml.in/yaml/v3"
)

// place is a scalar of a document that holds a secret.
type place struct {
	node *yaml.Node
	path string // for example receivers[0].webhook_configs[0].url
	part bool   // only a part of the scalar is secret, see hidePart
}

var (
	// secretName matches the names of settings that are secret although their
	// type does not say so, and of headers and parameters.
	secretName = regexp.MustCompile(`(?i)passw(or)?d|passphrase|(^|[_-])pass($|[_-])|secret|token|credential|` +
		`(api|app|routing|service|private|access|user|consumer|account)[_-]?key|bearer|authorization|cookie|` +
		`assertion$|signature$|connection[_-]?string|(^|[_-])dsn$`)
	// publicName matches those among them that only point at a secret, or
	// describe it.
	publicName = regexp.MustCompile(`(?i)[_-](files?|path|ref|url|uri|type|name|id|ttl|expiry|endpoint)$`)
	// secretQuery matches the value of a secret parameter of a URL.
	secretQuery = regexp.MustCompile(`([?&;])([^=&;#\s"']+)=([^&;#\s"']+)`)
	// authority matches the user and password of a URL.
	authority = regexp.MustCompile(`://([^/?#\s"']*)@`)
)

func hasSecretName(name string) bool {
	return secretName.MatchString(name) && !publicName.MatchString(name)
}

// isSecretType recognizes the engines' types of secrets: Secret, SecretURL,
// SecretTemplateURL and what may be added to them.
func isSecretType(t reflect.Type) bool {
	return t != nil && strings.HasPrefix(t.Name(), "Secret") && (t.Kind() == reflect.String || t.Kind() == reflect.Struct)
}

// rootType is the engine's type that a document is read into; nil when it has
// no secrets.
func rootType(document string) reflect.Type {
	switch {
	case document == PrometheusDocument:
		return reflect.TypeFor[promconfig.Config]()
	case document == AlertmanagerDocument:
		return reflect.TypeFor[amconfig.Config]()
	case document == SiteConfigDocument:
		return reflect.TypeFor[any]() // its source marks what is secret
	case strings.HasPrefix(document, ScrapePrefix):
		return reflect.TypeFor[promconfig.ScrapeConfigs]()
	default:
		return nil
	}
}

// secretsOf returns the secrets of a document that are long enough to be
// recognized in a message.
func secretsOf(doc Document) []string {
	f, err := findSecrets(doc.Name, doc.Content)
	if err != nil {
		return nil
	}
	return f.longSecrets()
}

func (f *secretFinder) longSecrets() []string {
	var secrets []string
	for _, p := range f.places {
		for _, s := range p.secrets() {
			if len(s) >= 4 && s != mark && !slices.Contains(secrets, s) {
				secrets = append(secrets, s)
			}
		}
	}
	return secrets
}

// secrets returns what of a place's value is secret.
func (p place) secrets() []string {
	if !p.part {
		return []string{p.node.Value}
	}
	if !strings.ContainsAny(p.node.Value, "@=") {
		return nil
	}
	var found []string
	for _, m := range authority.FindAllStringSubmatch(p.node.Value, -1) {
		if _, password, ok := strings.Cut(m[1], ":"); ok && password != "" {
			found = append(found, password)
		}
	}
	for _, m := range secretQuery.FindAllStringSubmatch(p.node.Value, -1) {
		if hasSecretName(m[2]) {
			found = append(found, m[3])
		}
	}
	return found
}

// isHidden tells whether the mark already stands for what is secret.
func (p place) isHidden() bool {
	if p.part {
		return hidePart(p.node.Value) == p.node.Value
	}
	return p.node.Value == mark
}

// hidePart masks passwords and secret parameters of URLs within a text.
func hidePart(text string) string {
	text = authority.ReplaceAllStringFunc(text, func(m string) string {
		user, _, ok := strings.Cut(m[len("://"):], ":")
		if !ok {
			return m
		}
		return "://" + user + ":" + mark + "@"
	})
	return secretQuery.ReplaceAllStringFunc(text, func(m string) string {
		sub := secretQuery.FindStringSubmatch(m)
		if !hasSecretName(sub[2]) {
			return m
		}
		return sub[1] + sub[2] + "=" + mark
	})
}

// secretFinder walks a document beside the types that the engine reads it into.
type secretFinder struct {
	roots  []*yaml.Node
	places []place

	types    map[reflect.Type]structType
	seen     map[visit]bool
	settings map[string]bool // see secretSettings; nil until it is needed
}

// visit is one way of coming to a node: aliases make for several.
type visit struct {
	node *yaml.Node
	t    reflect.Type
	hide bool
}

// findSecrets walks all YAML documents of a text: the engines read only the
// first, but a secret may be in any.
func findSecrets(name, text string) (*secretFinder, error) {
	f := &secretFinder{types: map[reflect.Type]structType{}, seen: map[visit]bool{}}
	root := rootType(name)
	if root == nil {
		return f, nil
	}
	err := guard(func() error {
		decoder := yaml.NewDecoder(bytes.NewReader([]byte(text)))
		for {
			var doc yaml.Node
			if err := decoder.Decode(&doc); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
			f.roots = append(f.roots, &doc)
		}
	})
	for _, doc := range f.roots {
		f.walk(doc, root, "", "", false)
	}
	return f, err
}

// walk looks at a node that is read into t, nil for unknown. hide says that all
// below is secret. name is that of the setting or of the list that it is in.
func (f *secretFinder) walk(n *yaml.Node, t reflect.Type, path, name string, hide bool) {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if isSecretType(t) {
		hide = true
	}
	key := visit{n, t, hide}
	if f.seen[key] {
		return
	}
	f.seen[key] = true
	switch n.Kind {
	case yaml.DocumentNode:
		for _, child := range n.Content {
			f.walk(child, t, path, name, hide)
		}
	case yaml.AliasNode:
		f.walk(n.Alias, t, path, name, hide)
	case yaml.SequenceNode:
		for i, child := range n.Content {
			f.walk(child, elemType(t), fmt.Sprintf("%s[%d]", path, i), name, hide)
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			f.walkPair(n.Content[i], n.Content[i+1], t, path, name, hide)
		}
	case yaml.ScalarNode:
		f.scalar(n, t, path, name, hide)
	}
}

func (f *secretFinder) scalar(n *yaml.Node, t reflect.Type, path, name string, hide bool) {
	if n.Value == "" || n.Tag == "!!null" {
		return
	}
	textual := t == nil || t.Kind() == reflect.String || t.Kind() == reflect.Interface || t.Kind() == reflect.Struct
	whole, part := place{node: n, path: path}, place{node: n, path: path, part: true}
	switch {
	case hide || textual && hasSecretName(name) || unreadableURL(n.Value):
		f.places = append(f.places, whole)
	case len(part.secrets()) > 0:
		f.places = append(f.places, part)
	}
}

// unreadableURL tells of a text that looks like a URL with a password whose
// place in it cannot be told.
func unreadableURL(text string) bool {
	if !strings.Contains(text, "://") || !strings.Contains(text, "@") {
		return false
	}
	_, err := url.Parse(strings.ReplaceAll(text, mark, "x"))
	return err != nil && !strings.Contains(text, "{{")
}

// walkPair looks at one setting of a mapping that is read into t.
func (f *secretFinder) walkPair(key, value *yaml.Node, t reflect.Type, path, name string, hide bool) {
	at := key.Value
	if path != "" {
		at = path + "." + key.Value
	}
	switch {
	case key.Tag == "!!merge":
		f.walkMerged(value, t, path, name, hide)
	case t == reflect.TypeFor[commoncfg.Header]() && key.Value == "values":
		f.walk(value, reflect.TypeFor[[]string](), at, name, hide) // by the name of the header
	case t != nil && t.Kind() == reflect.Struct && !f.structType(t).opaque():
		st := f.structType(t)
		field, known := st.fields[key.Value]
		if !known {
			field = st.rest
		}
		hide := hide || field == nil && f.secretSettings()[key.Value] || key.Value == "headers" && opaqueHeaders(t, field)
		f.walk(value, field, at, key.Value, hide)
	case t != nil && t.Kind() == reflect.Map:
		f.walk(value, t.Elem(), at, key.Value, hide || t.Elem().Kind() == reflect.Interface && hasSecretName(key.Value))
	case t != nil: // anything goes here, so that only names tell
		f.walk(value, reflect.TypeFor[any](), at, key.Value, hide || hasSecretName(key.Value))
	default:
		f.walk(value, nil, at, key.Value, hide || hasSecretName(key.Value) || f.secretSettings()[key.Value])
	}
}

func (f *secretFinder) walkMerged(value *yaml.Node, t reflect.Type, path, name string, hide bool) {
	if value.Kind != yaml.SequenceNode {
		f.walk(value, t, path, name, hide)
		return
	}
	for _, one := range value.Content {
		f.walk(one, t, path, name, hide)
	}
}

// opaqueHeaders tells of HTTP headers that the engine has no secret type for,
// although they often are what a service is told its client by. Those of mails
// are judged by their names.
func opaqueHeaders(t, field reflect.Type) bool {
	return field == reflect.TypeFor[map[string]string]() && t != reflect.TypeFor[amconfig.EmailConfig]()
}

// secretSettings returns the names of all settings that hold secrets by their
// type. A setting that no type is known for is secret if it has such a name.
func (f *secretFinder) secretSettings() map[string]bool {
	if f.settings == nil {
		f.settings = map[string]bool{}
		seen := map[reflect.Type]bool{}
		for _, document := range []string{PrometheusDocument, AlertmanagerDocument} {
			f.collect(rootType(document), "", seen)
		}
	}
	return f.settings
}

func (f *secretFinder) collect(t reflect.Type, name string, seen map[reflect.Type]bool) {
	if isSecretType(t) {
		f.settings[name] = true
		return
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		f.collect(t.Elem(), name, seen)
	case reflect.Struct:
		if seen[t] {
			return
		}
		seen[t] = true
		st := f.structType(t)
		for name, field := range st.fields {
			f.collect(field, name, seen)
		}
		if st.rest != nil {
			f.collect(st.rest, name, seen)
		}
	}
}

// elemType is what the elements of a list are read into.
func elemType(t reflect.Type) reflect.Type {
	switch {
	case t == nil:
		return nil
	case t.Kind() == reflect.Slice || t.Kind() == reflect.Array:
		return t.Elem()
	case t.Kind() == reflect.Interface || t.Kind() == reflect.Struct:
		return reflect.TypeFor[any]()
	default:
		return nil
	}
}

// structType is what a struct looks like in YAML.
type structType struct {
	fields map[string]reflect.Type
	rest   reflect.Type // of other keys; nil when there are none
}

// opaque tells of a struct that reads its YAML itself, like labels.Labels.
func (st structType) opaque() bool { return len(st.fields) == 0 && st.rest == nil }

func (f *secretFinder) structType(t reflect.Type) structType {
	if st, ok := f.types[t]; ok {
		return st
	}
	st := structType{fields: map[string]reflect.Type{}}
	st.add(t)
	f.types[t] = st
	return st
}

func (st *structType) add(t reflect.Type) {
	for field := range t.Fields() {
		name, options, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		switch {
		case field.Type == reflect.TypeFor[discovery.Configs]():
			st.addDiscovery()
		case !field.IsExported() || name == "-":
		case strings.Contains(options, "inline") && field.Type.Kind() == reflect.Map:
			st.rest = field.Type.Elem()
		case strings.Contains(options, "inline"):
			st.add(indirect(field.Type))
		case name == "":
			st.fields[strings.ToLower(field.Name)] = field.Type
		default:
			st.fields[name] = field.Type
		}
	}
}

// addDiscovery adds what upstream makes of all registered service discoveries:
// a struct built at run time, which only its marshaller hands out.
func (st *structType) addDiscovery() {
	if inline, err := (discovery.Configs{}).MarshalYAML(); err == nil {
		st.add(indirect(reflect.TypeOf(inline)))
	}
}

func indirect(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}
