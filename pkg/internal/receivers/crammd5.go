package receivers

import (
	"crypto/hmac"
	"crypto/md5" //nolint:gosec // RFC 2195 says so
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/emersion/go-sasl"
)

// cramMD5 is the name of the mechanism.
const cramMD5 = "CRAM-MD5"

// cramServer is the server's side of RFC 2195: who knows the password shows it by a
// digest of what only this connection was asked.
type cramServer struct {
	username, password string
	decide             func(ok bool) error

	challenge string // empty before it was sent
}

// Next implements sasl.Server.
func (s *cramServer) Next(response []byte) (challenge []byte, done bool, err error) {
	if s.challenge == "" {
		if len(response) > 0 {
			return nil, false, sasl.ErrUnexpectedClientResponse
		}
		s.challenge = fmt.Sprintf("<%s@mail.test>", rand.Text())
		return []byte(s.challenge), false, nil
	}
	username, digest, _ := strings.Cut(string(response), " ")
	mac := hmac.New(md5.New, []byte(s.password))
	mac.Write([]byte(s.challenge))
	want := hex.EncodeToString(mac.Sum(nil))
	return nil, true, s.decide(username == s.username && hmac.Equal([]byte(digest), []byte(want)))
}
