package web

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// What the decoder takes, it must take the same way again after a round trip.
func FuzzDecodeConfigRequest(f *testing.F) {
	for _, body := range []string{
		`{"documents":{"prometheus":"global: {}","rules/a":null},"if_version":3}`,
		`{"documents":{}}`, `{}`, `null`, `[]`, `{"documents":{"a":1}}`, `{"documents":{}}x`,
		`{"documents":{"a":"\ud800"}}`, `{"DOCUMENTS":{},"documents":{"a":"b"}}`, "{\"documents\":{\"\xff\":null}}",
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		request, err := decodeConfigRequest(body)
		if err != nil {
			require.Nil(t, request.Documents, "a refused request holds nothing")
			return
		}
		require.NotNil(t, request.Documents)
		text, err := json.Marshal(request)
		require.NoError(t, err)
		again, err := decodeConfigRequest(text)
		require.NoError(t, err)
		require.Equal(t, request, again)
	})
}

func FuzzParseConfigMode(f *testing.F) {
	for _, query := range []string{"", "dry_run=1", "strict=true&dry_run=0", "dry_run", "dryrun=1", "%zz", "strict=1&strict=1", ";"} {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		mode, err := parseConfigMode(query)
		if err == nil && query == "" {
			require.Equal(t, configMode{}, mode)
		}
	})
}
