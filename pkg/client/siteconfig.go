package client

// SiteConfigResult says what the push of a site configuration did, or what it would
// do: the answer of POST /api/srcprom/v1/siteconfig.
type SiteConfigResult struct {
	ConfigResult
	// Problems of the site configuration, as GET /prom-wrapper/config-subscriber tells
	// them. The rest of it runs.
	Problems []ConfigProblem `json:"problems"`
}

// ConfigProblem is one thing that is wrong with a site configuration.
type ConfigProblem struct {
	// Description names the setting, which entry of it, and what to do.
	Description string `json:"description"`
	// Kind is "SiteConfig".
	Kind string `json:"kind"`
}
