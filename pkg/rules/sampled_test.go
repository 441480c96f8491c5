package rules

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestNewestSample_IsThatOfTheContext(t *testing.T) {
	require.Zero(t, NewestSample(t.Context()))
	at := time.UnixMilli(1_700_000_000_123)
	require.Equal(t, at, NewestSample(withNewestSample(t.Context(), at)))
}
