package config

import (
	commoncfg "github.com/prometheus/common/config"
	promconfig "github.com/prometheus/prometheus/config"
)

// moveUserInfo moves user and password out of the URLs of remote write and read,
// where the engine would log them and put them into labels of its metrics, to
// basic_auth, where they do the same and are kept secret. A client that has other
// credentials never sends those of its URL, so they are dropped then.
func moveUserInfo(cfg *promconfig.Config) {
	for _, remote := range cfg.RemoteWriteConfigs {
		authorized := remote.SigV4Config != nil || remote.AzureADConfig != nil || remote.GoogleIAMConfig != nil
		remote.URL = withoutUserInfo(remote.URL, &remote.HTTPClientConfig, authorized)
	}
	for _, remote := range cfg.RemoteReadConfigs {
		remote.URL = withoutUserInfo(remote.URL, &remote.HTTPClientConfig, false)
	}
}

func withoutUserInfo(given *commoncfg.URL, client *commoncfg.HTTPClientConfig, authorized bool) *commoncfg.URL {
	if given == nil || given.URL == nil || given.User == nil {
		return given
	}
	if !authorized && client.BasicAuth == nil && client.Authorization == nil && client.OAuth2 == nil {
		password, _ := given.User.Password()
		client.BasicAuth = &commoncfg.BasicAuth{Username: given.User.Username(), Password: commoncfg.Secret(password)}
	}
	bare := *given.URL
	bare.User = nil
	return &commoncfg.URL{URL: &bare}
}
