// Command srcprom runs a server made of Prometheus and Alertmanager, as
// pkg/srcprom has it, the way a program is run: by flags, environment and
// signals. What those mean is in docs/flags.md.
package main

import (
	"context"
	"fmt"
	"os"
)

// Exit codes. A clean stop is 0.
const (
	exitFailure = 1 // it could not start, or could not go on
	exitUsage   = 2 // flags or environment make no sense
)

func main() {
	// First of all: a signal that nobody has asked for ends the process.
	signals := catchSignals()
	completeVersion()
	os.Exit(run(os.Args[1:], signals))
}

func run(args []string, signals *signals) int {
	call, err := parse(args, os.LookupEnv, fileExists)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %s (see %[1]s --help)\n", buildName, oneLine(err))
		return exitUsage
	}
	switch call.command {
	case commandVersion:
		fmt.Println(versionText())
		return 0
	case commandCheck:
		signals.release()
		return check(call, os.Stdout)
	case commandExplain:
		return signals.bound(func(ctx context.Context) int { return explainAlerts(ctx, call, os.Stdout, os.Stderr) })
	case commandBackup:
		return signals.bound(func(ctx context.Context) int { return backUp(ctx, call, os.Stdout, os.Stderr) })
	case commandRestore:
		return signals.bound(func(ctx context.Context) int { return restore(ctx, call, os.Stdout, os.Stderr) })
	default:
		return serve(call, signals, os.Stderr)
	}
}
