package receivers

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"slices"
	"strings"
)

// Golden is the mail as text, decoded, in which everything is replaced that is another
// one each time. A mail that cannot be read says why.
func (m Mail) Golden(secrets ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "EHLO: %s\nTLS: %t\nAUTH: %s\nMAIL FROM: %s\nRCPT TO: %s\n\n", m.Hello, m.TLS, m.Mechanism, m.From, strings.Join(m.To, ", "))
	if err := writeMail(&b, m.Data); err != nil {
		fmt.Fprintf(&b, "cannot be read: %s\n", err)
	}
	return stable(b.String(), append(secrets, m.secret))
}

func writeMail(b *strings.Builder, data []byte) error {
	message, err := mail.ReadMessage(bytes.NewReader(data))
	if err != nil {
		return err
	}
	media, params, err := mime.ParseMediaType(message.Header.Get("Content-Type"))
	if err != nil {
		return err
	}
	writeHeader(b, textproto.MIMEHeader(message.Header))
	if !strings.HasPrefix(media, "multipart/") {
		return writeBody(b, message.Header.Get("Content-Transfer-Encoding"), message.Body)
	}
	parts := multipart.NewReader(message.Body, params["boundary"])
	for {
		part, err := parts.NextRawPart()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		b.WriteString("--- part\n")
		writeHeader(b, part.Header)
		if err := writeBody(b, part.Header.Get("Content-Transfer-Encoding"), part); err != nil {
			return err
		}
	}
}

// writeHeader writes it in order, without what is another one each time.
func writeHeader(b *strings.Builder, header textproto.MIMEHeader) {
	decoder := mime.WordDecoder{}
	for _, name := range slices.Sorted(maps.Keys(header)) {
		for _, value := range header[name] {
			if decoded, err := decoder.DecodeHeader(value); err == nil {
				value = decoded
			}
			switch name {
			case "Date", "Message-Id":
				value = "<" + strings.ToLower(name) + ">"
			case "Content-Type":
				value = withoutBoundary(value)
			}
			fmt.Fprintf(b, "%s: %s\n", name, value)
		}
	}
	b.WriteByte('\n')
}

func withoutBoundary(contentType string) string {
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return contentType
	}
	delete(params, "boundary")
	return mime.FormatMediaType(media, params)
}

func writeBody(b *strings.Builder, encoding string, body io.Reader) error {
	if strings.EqualFold(encoding, "quoted-printable") {
		body = quotedprintable.NewReader(body)
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	b.WriteString(strings.ReplaceAll(string(text), "\r\n", "\n"))
	b.WriteByte('\n')
	return nil
}
