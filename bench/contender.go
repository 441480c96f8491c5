package main

import "path/filepath"

// contender is one way to have metrics, rules and alerts: the processes that it
// takes.
type contender struct {
	name     string
	binaries []string
	// programs tells how to start each binary on a configuration.
	programs func(binaries []string, l layout) []program
}

// program is one process to start.
type program struct {
	path string
	args []string
	url  string // of its root; it is ready when /-/ready below it answers 200
}

// contenders lists the baseline first: ratios are to it. Paths are absolute,
// because each process has a working directory of its own.
func contenders(s settings) ([]contender, error) {
	bin, err := filepath.Abs(s.bin)
	if err != nil {
		return nil, err
	}
	peers, err := filepath.Abs(s.peers)
	if err != nil {
		return nil, err
	}
	return []contender{
		{
			name:     "Prometheus + Alertmanager",
			binaries: []string{filepath.Join(peers, "prometheus"), filepath.Join(peers, "alertmanager")},
			programs: pair,
		},
		{name: "srcprom", binaries: []string{filepath.Join(bin, "srcprom")}, programs: single},
		{name: "srcprom-lean", binaries: []string{filepath.Join(bin, "srcprom-lean")}, programs: single},
	}, nil
}

func pair(binaries []string, l layout) []program {
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

func single(binaries []string, l layout) []program {
	return []program{{binaries[0], []string{
		"--config.file=" + l.prometheusFile(false),
		"--alertmanager.config.file=" + l.alertmanagerFile(),
		"--storage.tsdb.path=" + filepath.Join(l.dir, "data"),
		"--web.listen-address=" + l.address,
	}, "http://" + l.address}}
}
