package main

import (
	"fmt"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/version"
)

// The modules of the engines.
const (
	prometheusModule   = "github.com/prometheus/prometheus"
	alertmanagerModule = "github.com/prometheus/alertmanager"
)

// completeVersion fills in, for a program that was built without the Makefile,
// what the Go toolchain knows.
func completeVersion() {
	if info, ok := debug.ReadBuildInfo(); ok && version.Version == "" {
		version.Version = strings.TrimPrefix(info.Main.Version, "v")
	}
}

// versionText is what every Prometheus program prints, and the versions of the
// engines.
func versionText() string {
	return fmt.Sprintf("%s\n  prometheus:       %s\n  alertmanager:     %s",
		version.Print(buildName), engineVersion(prometheusModule), engineVersion(alertmanagerModule))
}

// engineVersion is the version of an engine as its own releases are called.
func engineVersion(module string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, dep := range info.Deps {
		if dep.Path == module {
			return releaseOf(module, dep.Version)
		}
	}
	return "unknown"
}

// releaseOf turns the version of a module into that of the release: Prometheus
// 3.15.0 is the Go module v0.315.0.
func releaseOf(module, version string) string {
	release := strings.TrimPrefix(version, "v")
	parts := strings.SplitN(release, ".", 3)
	if module != prometheusModule || len(parts) != 3 || parts[0] != "0" {
		return release
	}
	n, err := strconv.Atoi(parts[1])
	if err != nil {
		return release
	}
	return fmt.Sprintf("%d.%d.%s", n/100, n%100, parts[2])
}

// buildInfo is the metric by which a program tells what it is. It follows the
// version collector of client_golang, which knows only one program in a process.
func buildInfo(program, release string) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: program + "_build_info",
		Help: "A metric with a constant '1' value labeled by version, revision, branch, goversion from which " + program + " was built, and the goos and goarch for the build.",
		ConstLabels: prometheus.Labels{
			"version": release, "revision": version.GetRevision(), "branch": version.Branch,
			"goversion": version.GoVersion, "goos": version.GoOS, "goarch": version.GoArch, "tags": version.GetTags(),
		},
	}, func() float64 { return 1 })
}
