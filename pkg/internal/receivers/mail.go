package receivers

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"
)

// MailOptions say what a mail server offers and asks for. The zero value is a server
// without TLS that takes mail from everybody.
type MailOptions struct {
	// StartTLS offers STARTTLS, with a certificate that [MailServer.CA] has signed.
	StartTLS bool
	// Outdated lets STARTTLS, where it is offered, speak no TLS that is in use today.
	Outdated bool
	// Mechanisms of authentication that are offered: "PLAIN", "CRAM-MD5". With any, mail
	// is taken only of a sender who has authenticated.
	Mechanisms []string
	// Username and Password are what a sender has to know.
	Username, Password string
}

// MailServer is a real SMTP server that keeps what it gets.
type MailServer struct {
	// Addr is host:port, with an address that the certificate is for.
	Addr string
	// CA is the certificate, in PEM, by which clients know the server; empty without TLS.
	CA string

	t    testing.TB
	opts MailOptions

	mu      sync.Mutex // guards what follows
	hanging bool
	conns   map[net.Conn]bool
	mails   []Mail
	refused []string
	changed chan struct{} // closed and replaced with each mail
}

// Mail is one that a server has taken.
type Mail struct {
	At time.Time
	// Hello is what the sender calls itself.
	Hello string
	From  string
	To    []string
	// TLS says that it came over STARTTLS, and Mechanism how its sender authenticated;
	// empty when it did not.
	TLS       bool
	Mechanism string
	Data      []byte // headers and body

	secret string
}

// NewMailServer starts a mail server that serves until the test ends.
func NewMailServer(t testing.TB, opts MailOptions) *MailServer {
	t.Helper()
	s := &MailServer{t: t, opts: opts, conns: map[net.Conn]bool{}, changed: make(chan struct{})}
	server := smtp.NewServer(s)
	server.Domain = "mail.test"
	server.AllowInsecureAuth = true
	if opts.StartTLS {
		cert, ca := certificate(t)
		server.TLSConfig, s.CA = &tls.Config{Certificates: []tls.Certificate{cert}}, ca
	}
	if opts.Outdated {
		server.TLSConfig.MinVersion, server.TLSConfig.MaxVersion = tls.VersionTLS10, tls.VersionTLS10
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s.Addr = listener.Addr().String()
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(mailListener{listener, s}) // ends with Close
	}()
	t.Cleanup(func() {
		s.closeHanging()
		_ = server.Close()
		<-served
	})
	return s
}

// Hang makes the server accept connections from now on and say nothing.
func (s *MailServer) Hang() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hanging = true
}

// Mails are those that were taken, oldest first.
func (s *MailServer) Mails() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.mails)
}

// Refused are the mechanisms by which somebody has failed to authenticate.
func (s *MailServer) Refused() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.refused)
}

// Await waits until there are n mails, and returns them all.
func (s *MailServer) Await(n int) []Mail {
	s.t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		s.mu.Lock()
		mails, changed := slices.Clone(s.mails), s.changed
		s.mu.Unlock()
		if len(mails) >= n {
			return mails
		}
		select {
		case <-changed:
		case <-timeout.C:
			require.Failf(s.t, "waited in vain", "%s for %d mails, there are %d", patience, n, len(mails))
		}
	}
}

// mailListener keeps the connections of a server that hangs to itself.
type mailListener struct {
	net.Listener
	of *MailServer
}

// Accept implements net.Listener.
func (l mailListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil || !l.of.keeps(conn) {
			return conn, err
		}
	}
}

func (s *MailServer) keeps(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hanging {
		s.conns[conn] = true
	}
	return s.hanging
}

func (s *MailServer) closeHanging() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.conns {
		_ = conn.Close()
	}
}

// NewSession implements smtp.Backend.
func (s *MailServer) NewSession(conn *smtp.Conn) (smtp.Session, error) {
	return &mailSession{server: s, conn: conn}, nil
}

type mailSession struct {
	server    *MailServer
	conn      *smtp.Conn
	mechanism string
	current   Mail
}

// AuthMechanisms implements smtp.AuthSession.
func (s *mailSession) AuthMechanisms() []string { return s.server.opts.Mechanisms }

// Auth implements smtp.AuthSession.
func (s *mailSession) Auth(mechanism string) (sasl.Server, error) {
	if !slices.Contains(s.server.opts.Mechanisms, mechanism) {
		return nil, smtp.ErrAuthUnknownMechanism
	}
	opts := s.server.opts
	decide := func(ok bool) error {
		if !ok {
			s.server.refuse(mechanism)
			return smtp.ErrAuthFailed
		}
		s.mechanism = mechanism
		return nil
	}
	switch mechanism {
	case sasl.Plain:
		return sasl.NewPlainServer(func(_, username, password string) error {
			return decide(username == opts.Username && password == opts.Password)
		}), nil
	case cramMD5:
		return &cramServer{username: opts.Username, password: opts.Password, decide: decide}, nil
	}
	return nil, errors.New("no such mechanism here")
}

func (s *MailServer) refuse(mechanism string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused = append(s.refused, mechanism)
}

// Mail implements smtp.Session.
func (s *mailSession) Mail(from string, _ *smtp.MailOptions) error {
	if len(s.server.opts.Mechanisms) > 0 && s.mechanism == "" {
		return &smtp.SMTPError{Code: 530, EnhancedCode: smtp.EnhancedCode{5, 7, 0}, Message: "Authentication required"}
	}
	_, overTLS := s.conn.TLSConnectionState()
	s.current = Mail{Hello: s.conn.Hostname(), From: from, TLS: overTLS, Mechanism: s.mechanism, secret: s.server.opts.Password}
	return nil
}

// Rcpt implements smtp.Session.
func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.current.To = append(s.current.To, to)
	return nil
}

// Data implements smtp.Session.
func (s *mailSession) Data(r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.current.At, s.current.Data = time.Now(), data
	s.server.keep(s.current)
	return nil
}

func (s *MailServer) keep(m Mail) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mails = append(s.mails, m)
	close(s.changed)
	s.changed = make(chan struct{})
}

// Reset implements smtp.Session.
func (s *mailSession) Reset() { s.current = Mail{} }

// Logout implements smtp.Session.
func (s *mailSession) Logout() error { return nil }
