package main

import (
	"fmt"
	"regexp"
	"strings"
)

// otherDiscoveries are the service discoveries that only the full build has, by
// the name in front of _sd_configs.
const otherDiscoveries = "aws azure consul digitalocean docker dockerswarm ec2 ecs elasticache eureka gce " +
	"hetzner ionos kuma lightsail linode marathon msk nerve nomad oci openstack outscale ovhcloud puppetdb " +
	"rds scaleway serverset stackit triton uyuni vultr"

// unknownDiscovery is what Prometheus says of a service discovery that is not
// compiled in. See UnmarshalYAMLWithInlineConfigs in its discovery/registry.go.
var unknownDiscovery = regexp.MustCompile(`field (\w+)_sd_configs not found in type [\w.]+`)

// explain names, in the text of an error, the build that has what this one
// lacks. It returns any other text as it is.
func explain(text string) string {
	if !strings.Contains(text, "_sd_configs not found") {
		return text
	}
	return unknownDiscovery.ReplaceAllStringFunc(text, func(match string) string {
		name := unknownDiscovery.FindStringSubmatch(match)[1]
		if !isOtherDiscovery(name) || buildName == "srcprom" {
			return match
		}
		return fmt.Sprintf("%s_sd_configs is not in %s; use the full srcprom build", name, buildName)
	})
}

// explainFault is explain for a configuration. A job that another build would run
// is not set aside but refused with its document.
func explainFault(reason string) (better string, refuse bool) {
	better = explain(reason)
	return better, better != reason
}

func isOtherDiscovery(name string) bool {
	return strings.Contains(" "+otherDiscoveries+" ", " "+name+" ")
}
