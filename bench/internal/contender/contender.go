// Package contender starts what is measured: srcprom, and the pair of Prometheus
// and Alertmanager that people would run instead, each with files and addresses of
// its own, on the same configuration.
package contender

import "path/filepath"

// Contender is one way to have metrics, rules and alerts: the processes that it
// takes.
type Contender struct {
	Name     string
	Binaries []string // absolute paths, because each process has a working directory of its own
	// programs tells how to start the binaries on a layout.
	programs func(binaries []string, l Layout) []program
}

// program is one process to start.
type program struct {
	path string
	args []string
	url  string // of its root; it is ready when /-/ready below it answers 200
}

// Pair is Prometheus and Alertmanager as two processes. The directory has the
// binaries of both.
func Pair(peers string) (Contender, error) {
	dir, err := filepath.Abs(peers)
	return Contender{
		Name:     "Prometheus + Alertmanager",
		Binaries: []string{filepath.Join(dir, "prometheus"), filepath.Join(dir, "alertmanager")},
		programs: pair,
	}, err
}

// Single is one process of srcprom, with arguments besides those that say where
// its files are.
func Single(name, binary string, args ...string) (Contender, error) {
	path, err := filepath.Abs(binary)
	return Contender{
		Name:     name,
		Binaries: []string{path},
		programs: func(binaries []string, l Layout) []program { return single(binaries, l, args) },
	}, err
}

func pair(binaries []string, l Layout) []program {
	return []program{
		{binaries[0], []string{
			"--config.file=" + l.prometheusFile(true),
			"--storage.tsdb.path=" + filepath.Join(l.dir, "prometheus"),
			"--web.listen-address=" + l.address,
		}, "http://" + l.address},
		{binaries[1], []string{
			"--config.file=" + l.alertmanagerFile(),
			"--storage.path=" + filepath.Join(l.dir, "alertmanager"),
			"--web.listen-address=" + l.alertmanagerAddress,
			"--cluster.listen-address=",
		}, "http://" + l.alertmanagerAddress},
	}
}

func single(binaries []string, l Layout, args []string) []program {
	return []program{{binaries[0], append([]string{
		"--config.file=" + l.prometheusFile(false),
		"--alertmanager.config.file=" + l.alertmanagerFile(),
		"--storage.tsdb.path=" + filepath.Join(l.dir, "data"),
		"--web.listen-address=" + l.address,
	}, args...), "http://" + l.address}}
}
