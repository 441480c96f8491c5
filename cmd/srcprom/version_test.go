package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReleaseOf_ModuleVersionsBecomeReleases(t *testing.T) {
	for _, c := range []struct{ module, version, want string }{
		{prometheusModule, "v0.315.0", "3.15.0"},
		{prometheusModule, "v0.300.2", "3.0.2"},
		{prometheusModule, "v0.315.0-rc.1", "3.15.0-rc.1"},
		{prometheusModule, "v3.20.1", "3.20.1"},
		{prometheusModule, "v0.next.1", "0.next.1"},
		{alertmanagerModule, "v0.34.2", "0.34.2"},
		{alertmanagerModule, "(devel)", "(devel)"},
	} {
		require.Equal(t, c.want, releaseOf(c.module, c.version), c.version)
	}
}
