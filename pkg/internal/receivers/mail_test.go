package receivers

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/smtp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// deliver sends one mail as Alertmanager does, and returns where it failed.
func deliver(t *testing.T, s *MailServer, auth smtp.Auth, mail string) error {
	t.Helper()
	conn, err := net.Dial("tcp", s.Addr)
	require.NoError(t, err)
	c, err := smtp.NewClient(conn, "127.0.0.1")
	require.NoError(t, err)
	defer c.Close()
	if s.CA != "" {
		roots := x509.NewCertPool()
		require.True(t, roots.AppendCertsFromPEM([]byte(s.CA)))
		if err := c.StartTLS(&tls.Config{ServerName: "127.0.0.1", RootCAs: roots}); err != nil {
			return err
		}
	}
	if auth != nil {
		if err := c.Auth(auth); err != nil {
			return err
		}
	}
	if err := c.Mail("from@example.org"); err != nil {
		return err
	}
	if err := c.Rcpt("to@example.org"); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, mail)
	require.NoError(t, err)
	return w.Close()
}

const plainMail = "Subject: s\r\nDate: today\r\nContent-Type: text/plain; charset=UTF-8\r\n\r\nhello\r\n"

func TestMailServer_TakesMailOverTLSByEachMechanism(t *testing.T) {
	for mechanism, auth := range map[string]func(password string) smtp.Auth{
		"PLAIN":    func(password string) smtp.Auth { return smtp.PlainAuth("", "user", password, "127.0.0.1") },
		"CRAM-MD5": func(password string) smtp.Auth { return smtp.CRAMMD5Auth("user", password) },
	} {
		t.Run(mechanism, func(t *testing.T) {
			s := NewMailServer(t, MailOptions{StartTLS: true, Mechanisms: []string{mechanism}, Username: "user", Password: secret})
			require.ErrorContains(t, deliver(t, s, auth("guess"), plainMail), "5.7.8 Authentication failed")
			require.Equal(t, []string{mechanism}, s.Refused())
			require.ErrorContains(t, deliver(t, s, nil, plainMail), "5.7.0 Authentication required")
			require.Empty(t, s.Mails())

			require.NoError(t, deliver(t, s, auth(secret), plainMail))
			mail := s.Await(1)[0]
			require.Equal(t, "EHLO: localhost\nTLS: true\nAUTH: "+mechanism+"\nMAIL FROM: from@example.org\nRCPT TO: to@example.org\n\n"+
				"Content-Type: text/plain; charset=UTF-8\nDate: <date>\nSubject: s\n\nhello\n\n", mail.Golden())
		})
	}
}

func TestMailServer_WithoutTLSOffersNone(t *testing.T) {
	s := NewMailServer(t, MailOptions{})
	conn, err := net.Dial("tcp", s.Addr)
	require.NoError(t, err)
	c, err := smtp.NewClient(conn, "127.0.0.1")
	require.NoError(t, err)
	defer c.Close()
	for _, extension := range []string{"STARTTLS", "AUTH"} {
		offered, _ := c.Extension(extension)
		require.False(t, offered, extension)
	}
	require.NoError(t, deliver(t, s, nil, plainMail))
	mail := s.Await(1)[0]
	require.False(t, mail.TLS)
	require.Equal(t, []string{"to@example.org"}, mail.To)
}

func TestMailServer_GoldenDecodesTheParts(t *testing.T) {
	s := NewMailServer(t, MailOptions{Password: secret})
	require.NoError(t, deliver(t, s, nil, "Subject: =?utf-8?q?caf=C3=A9?=\r\nMessage-Id: <1@x>\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n"+
		"--b\r\nContent-Transfer-Encoding: quoted-printable\r\nContent-Type: text/plain; charset=UTF-8\r\n\r\na=3Db "+secret+"\r\n--b--\r\n"))
	require.Equal(t, "EHLO: localhost\nTLS: false\nAUTH: \nMAIL FROM: from@example.org\nRCPT TO: to@example.org\n\n"+
		"Content-Type: multipart/alternative\nMessage-Id: <message-id>\nSubject: café\n\n"+
		"--- part\nContent-Transfer-Encoding: quoted-printable\nContent-Type: text/plain; charset=UTF-8\n\na=b <secret>\n", s.Await(1)[0].Golden())
}

func TestMailServer_HangsUntilTheTestEnds(t *testing.T) {
	s := NewMailServer(t, MailOptions{})
	s.Hang()
	conn, err := net.Dial("tcp", s.Addr)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	_, err = conn.Read(make([]byte, 1))
	var timeout net.Error
	require.ErrorAs(t, err, &timeout)
	require.True(t, timeout.Timeout())
}
