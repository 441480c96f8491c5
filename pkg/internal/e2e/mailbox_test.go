package e2e

import (
	"io"
	"net"
	"sync"
	"testing"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"
)

// mailbox is a real SMTP server that keeps what it gets.
type mailbox struct {
	Addr string

	mu       sync.Mutex
	messages []message
}

type message struct {
	from, to, body string
}

func newMailbox(t *testing.T) *mailbox {
	t.Helper()
	box := &mailbox{}
	server := smtp.NewServer(box)
	server.Domain = "localhost"
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	box.Addr = listener.Addr().String()
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener) // ends with Close
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-served
	})
	return box
}

// NewSession implements smtp.Backend.
func (b *mailbox) NewSession(*smtp.Conn) (smtp.Session, error) {
	return &mailSession{box: b}, nil
}

func (b *mailbox) received() []message {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]message(nil), b.messages...)
}

type mailSession struct {
	box     *mailbox
	current message
}

func (s *mailSession) Mail(from string, _ *smtp.MailOptions) error {
	s.current.from = from
	return nil
}

func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.current.to = to
	return nil
}

func (s *mailSession) Data(r io.Reader) error {
	body, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.current.body = string(body)
	s.box.mu.Lock()
	defer s.box.mu.Unlock()
	s.box.messages = append(s.box.messages, s.current)
	return nil
}

func (s *mailSession) Reset()        { s.current = message{} }
func (s *mailSession) Logout() error { return nil }
