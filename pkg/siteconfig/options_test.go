package siteconfig

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

func TestOptions_DefaultsAreValid(t *testing.T) { require.NoError(t, DefaultOptions().Validate()) }

func TestNew_ReportsEveryProblemAtOnce(t *testing.T) {
	o := DefaultOptions()
	o.URL, o.Protocol = "grpc://frontend", "smoke"
	o.PollInterval, o.FetchTimeout = 0, -1
	o.GRPCRetry = GRPCRetry{DelayBase: -1, MaxDuration: -1}
	o.HTTPRetry = HTTPRetry{DelayBase: -1, DelayMax: -1, AfterMaxDuration: -1}
	_, err := New(o)
	require.EqualError(t, err, `siteconfig: Protocol is "smoke": it must be auto, grpc or http
URL (SRC_FRONTEND_INTERNAL, --siteconfig.url): "grpc://frontend" has the scheme "grpc": it must be http or https
PollInterval is 0s: it must be positive
FetchTimeout is -1ns: it must be positive
GRPCRetry.DelayBase is -1ns: it must not be negative
GRPCRetry.MaxDuration is -1ns: it must not be negative
HTTPRetry.DelayBase is -1ns: it must not be negative
HTTPRetry.DelayMax is -1ns: it must not be negative
HTTPRetry.AfterMaxDuration is -1ns: it must not be negative`)
}

func TestNew_TwoOnOneRegistryAreRefused(t *testing.T) {
	o := DefaultOptions()
	o.Registerer = prometheus.NewRegistry()
	_, err := New(o)
	require.NoError(t, err)
	_, err = New(o)
	require.ErrorContains(t, err, "siteconfig: register metrics: duplicate")
}
