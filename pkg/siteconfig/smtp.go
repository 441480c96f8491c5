package siteconfig

import (
	"net"
	"net/mail"
	"net/netip"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
)

// mailServer is how mail is sent. All of it is written into each receiver of mail:
// what stood in the global section would hold for an operator's receivers too, and
// receivers would keep what it was when they were made.
type mailServer struct {
	from       string
	host, port string
	hello      string
	username   string // empty: no authentication
	password   string // for PLAIN
	secret     string // for CRAM-MD5
	insecure   bool
	headers    []header
}

// header is one that is sent in addition.
type header struct{ name, value string }

// mailServer is made when the first notifier needs it: who sends no mail is told
// nothing about it. lacking is why there is none.
func (t *translation) mailServer() (server *mailServer, lacking string) {
	if !t.mailRead {
		t.mailRead = true
		t.mail, t.mailLacks = t.readMailServer()
	}
	return t.mail, t.mailLacks
}

func (t *translation) readMailServer() (server *mailServer, lacking string) {
	from := t.readSender()
	server = t.readSMTP()
	switch {
	case t.document[addressKey] == nil:
		return nil, "mail has no sender: set `" + addressKey + "`"
	case from == "":
		return nil, "mail has no sender: correct `" + addressKey + "`"
	case t.document[smtpKey] == nil:
		return nil, "mail has no server: set `" + smtpKey + "`"
	case server == nil:
		return nil, "mail has no server: correct `" + smtpKey + "`"
	}
	server.from = from
	return server, ""
}

func (t *translation) readSender() string {
	value := t.document[addressKey]
	if value == nil {
		return ""
	}
	from, _ := exposed(value).(string)
	if list, err := mail.ParseAddressList(from); err != nil || len(list) != 1 || strings.Contains(from, "{{") {
		t.mailProblems = append(t.mailProblems, problem(addressKey, "this is no e-mail address: give the one that mail is sent from"))
		return ""
	}
	return from
}

// isAddressList tells whether the engine could send to this.
func isAddressList(text string) bool {
	_, err := mail.ParseAddressList(text)
	return err == nil && !strings.Contains(text, "{{")
}

func (t *translation) readSMTP() *mailServer {
	value := t.document[smtpKey]
	if value == nil {
		return nil
	}
	var f faults
	s, ok := settingsOf(value, &f)
	if !ok {
		t.mailProblems = append(t.mailProblems, problem(smtpKey, "must be an object"))
		return nil
	}
	server := readSMTP(s)
	if len(f.texts) > 0 {
		t.mailProblems = append(t.mailProblems, problem(smtpKey, "%s", &f))
	}
	if f.refused {
		return nil
	}
	return server
}

func readSMTP(s settings) *mailServer {
	server := &mailServer{
		host:     smtpHost(s),
		port:     strconv.FormatInt(s.integer("port", 1, 65535), 10),
		hello:    helloName(s),
		insecure: s.flag("noVerifyTLS", "the server's certificate is verified"),
		headers:  additionalHeaders(s),
	}
	server.authenticate(s)
	unknownSettings(s)
	return server
}

func smtpHost(s settings) string {
	host := s.need("host", "give the name of the mail server")
	bare := strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if _, err := netip.ParseAddr(bare); err == nil {
		return bare
	}
	if strings.ContainsFunc(host, notInHostName) {
		s.faults.refuse("`host` must be a name or an IP address alone: give the port in `port`")
	}
	return host
}

func notInHostName(r rune) bool {
	return r <= ' ' || r == 0x7f || strings.ContainsRune(`:/@[]{}"'\<>,;`, r)
}

func helloName(s settings) string {
	name := s.text("domain")
	if strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		s.faults.note("`domain` must be a name without blanks; localhost is used")
		name = ""
	}
	if name == "" {
		return "localhost"
	}
	return name
}

// authenticate reads how to log in. The engine takes whichever method the server
// offers that it has a secret for.
func (m *mailServer) authenticate(s settings) {
	username, password := s.text("username"), s.text("password")
	switch s.value("authentication") {
	case "none":
		return
	case nil:
		s.faults.note("`authentication` is missing, and is taken as none: give none, PLAIN or CRAM-MD5")
		return
	case "PLAIN", "CRAM-MD5":
	default:
		s.faults.refuse("`authentication` must be none, PLAIN or CRAM-MD5")
		return
	}
	if username == "" || password == "" {
		s.faults.note("`authentication` needs `username` and `password`, and is taken as none: give both, or set it to none")
		return
	}
	m.username = username
	if s.value("authentication") == "PLAIN" {
		m.password = password
	} else {
		m.secret = password
	}
}

// unknownSettings tells of settings that have no meaning: they may be misspelt.
func unknownSettings(s settings) {
	var unknown []string
	for name := range s.values {
		if _, known := fieldOf(smtpFields(), name); !known {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	for _, name := range unknown {
		s.faults.note("the setting%s is not known, and is left out", named(name))
	}
}

func additionalHeaders(s settings) []header {
	list, ok := s.list("additionalHeaders")
	if !ok {
		s.faults.note("`additionalHeaders` must be a list, and is left out")
	}
	var headers []header
	for i, value := range list {
		var f faults
		h := readHeader(value, headers, &f)
		if f.refused {
			s.faults.note("header %d of `additionalHeaders` is left out: %s", i, &f)
			continue
		}
		if len(f.texts) > 0 {
			s.faults.note("header %d of `additionalHeaders`: %s", i, &f)
		}
		headers = append(headers, h)
	}
	return headers
}

// ownHeaders are those that the engine or we set.
func ownHeaders() []string {
	return []string{"Subject", "Date", "Content-Type", "Content-Transfer-Encoding", "Mime-Version"}
}

func readHeader(element any, before []header, f *faults) header {
	s, ok := settingsOf(element, f)
	if !ok {
		f.refuse("it must be an object")
		return header{}
	}
	name, value := s.need("key", "give the header's name"), s.need("value", "give the header's value")
	h := header{textproto.CanonicalMIMEHeaderKey(name), value}
	s.flag("sensitive", "it is taken as true")
	switch {
	case f.refused:
	case !isHeaderName(h.name):
		f.refuse("`key` must be the name of a header, without blanks and colons")
	case slices.Contains(ownHeaders(), h.name):
		f.refuse("every mail has a header %q of its own: give another `key`", h.name)
	case slices.ContainsFunc(before, func(b header) bool { return b.name == h.name }):
		f.refuse("a header before it has the same `key`: leave one out")
	}
	return h
}

func isHeaderName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == ':' })
}

// implicitTLSPort is where TLS begins with the connection.
const implicitTLSPort = "465"

// settings adds all that the engine would otherwise take from the global section.
func (m *mailServer) settings(to mapping) mapping {
	return to.
		text("from", m.from).
		text("smarthost", net.JoinHostPort(m.host, m.port)).
		text("hello", m.hello).
		given("auth_username", m.username).
		given("auth_password", m.password).
		given("auth_secret", m.secret).
		flag("require_tls", !m.insecure).
		flag("force_implicit_tls", m.port == implicitTLSPort).
		set("tls_config", newMapping().flag("insecure_skip_verify", m.insecure).node)
}
