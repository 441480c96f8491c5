package lifecycle

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestChanges_NamesAFewOfMany(t *testing.T) {
	require.Empty(t, Changes("rules", "group(s)", nil, nil, nil))
	require.Equal(t, []string{
		`rules: 7 group(s) added: "a", "b", "c", "d", "e" and 2 more`,
		`rules: 2 group(s) removed: "a", "b"`,
	}, Changes("rules", "group(s)", []string{"a", "b", "c", "d", "e", "f", "g"}, nil, []string{"a", "b"}))
}
