package web

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOptions_DefaultsAreValid(t *testing.T) {
	require.NoError(t, DefaultOptions().Validate())
}

func TestOptions_ValidateReportsEveryProblem(t *testing.T) {
	o := DefaultOptions()
	o.ListenAddresses = []string{"nowhere"}
	o.InternalListenAddresses = []string{"0.0.0.0:9092", "9093"}
	o.ExternalURL = "ftp://host"
	o.RoutePrefix = "/a/{b}"
	o.CORSOrigin = "("
	o.ReadTimeout = -1
	o.DrainTimeout = -1
	o.MaxConnections = 0
	o.RemoteReadSampleLimit = -1
	o.RemoteReadConcurrencyLimit = -1
	o.RemoteReadBytesInFrame = 0
	o.MaxSearchLimit = -1
	o.MaxNotificationsSubscribers = -1
	o.LookbackDelta = -1
	o.ConvertOTLPDelta, o.NativeOTLPDeltaIngestion = true, true
	o.EnableRemoteWriteReceiver = true
	o.AcceptedRemoteWriteMessages = nil

	err := o.Validate()
	for _, part := range []string{
		`ListenAddresses "nowhere"`, `InternalListenAddresses "0.0.0.0:9092"`, `InternalListenAddresses "9093"`,
		`ExternalURL "ftp://host"`, `RoutePrefix "/a/{b}"`, `CORSOrigin "("`,
		"ReadTimeout", "DrainTimeout", "MaxConnections 0: want at least 2",
		"RemoteReadSampleLimit", "RemoteReadConcurrencyLimit", "RemoteReadBytesInFrame",
		"MaxSearchLimit", "MaxNotificationsSubscribers", "LookbackDelta",
		"ConvertOTLPDelta and NativeOTLPDeltaIngestion", "AcceptedRemoteWriteMessages",
	} {
		require.ErrorContains(t, err, part)
	}
	require.Len(t, strings.Split(err.Error(), "\n"), 17, "one line per problem")
}

func TestOptions_ValidateNeedsSomewhereToListen(t *testing.T) {
	o := DefaultOptions()
	o.ListenAddresses = nil
	require.ErrorContains(t, o.Validate(), "want at least one address")
	o.SystemdSocket = true
	require.NoError(t, o.Validate())
}

func TestOptions_ValidateTakesLoopbackOnlyInside(t *testing.T) {
	o := DefaultOptions()
	o.InternalListenAddresses = []string{"127.0.0.1:9092", "localhost:9093", "[::1]:9094"}
	require.NoError(t, o.Validate())
	for _, address := range []string{":9092", "192.0.2.1:9092", "example.com:9092"} {
		o.InternalListenAddresses = []string{address}
		require.ErrorContains(t, o.Validate(), "want a loopback address", address)
	}
}

func TestOptions_ValidateRefusesPrefixThatRoutersWouldRead(t *testing.T) {
	for _, prefix := range []string{"/:id", "/*all", "/{x}", "/a b", "/a//b", "/../b", "/a?b", "/ü"} {
		o := DefaultOptions()
		o.RoutePrefix = prefix
		require.ErrorContains(t, o.Validate(), "RoutePrefix", prefix)
		o.RoutePrefix, o.ExternalURL = "", "http://host"+prefix
		if !strings.Contains(prefix, "?") {
			require.ErrorContains(t, o.Validate(), "RoutePrefix", "external URL with %s", prefix)
		}
	}
	for _, prefix := range []string{"", "/", "a", "/a", "a/", "/a/b.c-d_e~f/"} {
		o := DefaultOptions()
		o.RoutePrefix = prefix
		require.NoError(t, o.Validate(), prefix)
	}
}
