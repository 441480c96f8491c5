package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/client"
)

// stateFile is where a server keeps what must survive.
func (s *server) stateFile() string { return filepath.Join(s.dir, "data", "srcprom", "state.db") }

// health is what the server says of one of its parts.
func (s *server) health(part string) client.PartHealth {
	s.t.Helper()
	var health client.Health
	s.getJSON("/api/srcprom/v1/health", &health)
	i := slices.IndexFunc(health.Parts, func(p client.PartHealth) bool { return p.Name == part })
	require.GreaterOrEqual(s.t, i, 0, "no part %q in %+v", part, health)
	return health.Parts[i]
}

func (s *server) awaitMetric(line string) {
	s.t.Helper()
	s.await("the metric "+line, func() bool {
		_, metrics := s.get("/metrics")
		return strings.Contains(metrics, "\n"+line+"\n")
	})
}

// fault is a disk that does not take what is written to the state.
type fault struct {
	begin, end func()
}

// On a disk that is full, or that nothing may be written to, a silence that cannot
// be kept is refused and does not mute, alerts are delivered, and it is said; when
// the fault has ended everything goes on. What was acknowledged survives.
func TestDiskFaults_UnwritableStateIsSaidRefusedAndOvercome(t *testing.T) {
	for name, prepare := range map[string]func(t *testing.T, dir string) fault{
		"full disk":       fullDisk,
		"read-only state": readOnlyState,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			disk := prepare(t, dir)
			sink := newSink(t)
			s := newServer(t, launch{
				dir: dir, args: []string{"--monitoring.builtin=none", "--storage.tsdb.wal-segment-size=10MB"},
				files: map[string]string{"alertmanager.yml": quickConfig(sink, 0), "prometheus.yml": "global: { scrape_interval: 200ms }\n"},
			}, sink)
			var acknowledged []silence
			for i := range 5 {
				acknowledged = append(acknowledged, s.putSilence(silenceOf(fmt.Sprintf("Before%d", i))))
			}
			s.awaitMetric("srcprom_state_writable 1")
			s.postAlerts(alert("Before", "to", "fast"))
			sink.await("delivery before the fault", of("Before"))

			disk.begin()
			var refused silence
			s.await("a silence to be refused", func() bool {
				// Free pages of the file take some more.
				refused = silenceOf(fmt.Sprintf("Refused%d", len(acknowledged)))
				refused.Comment += strings.Repeat(" and large", 2000)
				status, answer, err := call(http.MethodPost, s.URL+silencesPath, jsonOf(t, refused))
				require.NoError(t, err)
				if status == http.StatusOK {
					acknowledged = append(acknowledged, s.getSilence(silenceID(s.process, answer)))
					return false
				}
				require.Contains(t, []int{http.StatusInternalServerError, http.StatusServiceUnavailable}, status, answer)
				return true
			})
			s.awaitMetric("srcprom_state_writable 0")
			s.await("health to say so", func() bool { return s.health("state").State == client.HealthFailing })
			require.NotEmpty(t, s.health("state").Problems[0].Remedy)
			status, answer, err := call(http.MethodDelete, s.URL+silencePath+acknowledged[0].ID, "")
			require.NoError(t, err)
			require.Contains(t, []int{http.StatusInternalServerError, http.StatusServiceUnavailable}, status, answer)

			name := refused.Matchers[0].Value
			for _, name := range []string{"During", name} {
				_, _, err := call(http.MethodPost, s.URL+alertsPath, jsonOf(t, []postedAlert{alert(name, "to", "fast")}))
				require.NoError(t, err) // it may say that the alert is not kept
				sink.await("delivery during the fault of "+name, of(name))
			}

			disk.end()
			s.awaitMetric("srcprom_state_writable 1")
			s.await("health to be well again", func() bool { return s.health("state").State == client.HealthOK })
			acknowledged = append(acknowledged, s.putSilence(silenceOf("After")))
			s.tick(sink, "fast")
			s.restart(syscall.SIGKILL)
			for _, want := range acknowledged {
				require.Equal(t, want, s.getSilence(want.ID))
			}
			for _, shown := range s.silencesByComment() {
				if shown.Matchers[0].Value == name {
					require.Equal(t, "expired", shown.Status.State, "what was refused has been taken back")
				}
			}
			s.tick(sink, "fast")
			for _, name := range []string{"Before", "During", name} {
				require.Equal(t, []string{"firing"}, sink.told(name))
			}
			s.stop()
		})
	}
}

// fullDisk puts the data on a small file system.
func fullDisk(t *testing.T, dir string) fault {
	if os.Geteuid() != 0 {
		t.Skip("mounting a small file system takes root")
	}
	data := filepath.Join(dir, "data")
	require.NoError(t, os.Mkdir(data, 0o755))
	require.NoError(t, syscall.Mount("tmpfs", data, "tmpfs", 0, "size=8m"))
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(data, syscall.MNT_DETACH)) })
	filler := filepath.Join(data, "filler")
	return fault{
		begin: func() { fill(t, filler) },
		end:   func() { require.NoError(t, os.Remove(filler)) },
	}
}

// readOnlyState lets nobody write to the state file, not even whoever has it open:
// what a file system does that the kernel has made read-only. (One with files that
// are open for writing cannot be remounted read-only by hand.)
func readOnlyState(t *testing.T, dir string) fault {
	if os.Geteuid() != 0 {
		t.Skip("making an open file immutable takes root")
	}
	chattr, err := exec.LookPath("chattr")
	if err != nil {
		t.Skip("chattr is not there")
	}
	probe := filepath.Join(dir, "probe")
	f, err := os.Create(probe)
	require.NoError(t, err)
	defer f.Close()
	if out, err := exec.Command(chattr, "+i", probe).CombinedOutput(); err != nil {
		t.Skipf("this file system knows no immutable files: %s", out)
	}
	_, err = f.WriteString("x")
	mustRun(t, chattr, "-i", probe)
	if err == nil {
		t.Skip("on this file system an immutable file that is open can be written to")
	}
	path := filepath.Join(dir, "data", "srcprom", "state.db")
	t.Cleanup(func() { _ = exec.Command(chattr, "-i", path).Run() })
	return fault{
		begin: func() { mustRun(t, chattr, "+i", path) },
		end:   func() { mustRun(t, chattr, "-i", path) },
	}
}

// The state file lost its tail, or a bit of it is not what was written: the server
// starts, and either everything is there or it says that something is lost. What
// comes then is kept.
func TestDiskFaults_DamagedStateIsSaidAndTheServerStarts(t *testing.T) {
	for i := range 12 {
		t.Run(fmt.Sprintf("seed=%d", i), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(uint64(i), 0))
			sink := newSink(t)
			s := quickServer(t, sink, nil)
			var acknowledged []silence
			for n := range 40 {
				acknowledged = append(acknowledged, s.putSilence(silenceOf(fmt.Sprintf("Before%d", n))))
			}
			s.kill()
			content, err := os.ReadFile(s.stateFile())
			require.NoError(t, err)
			var damage string
			if i%3 == 0 {
				size := rng.IntN(len(content))
				damage = fmt.Sprintf("cut at %d of %d", size, len(content))
				require.NoError(t, os.Truncate(s.stateFile(), int64(size)))
			} else {
				at, bit := rng.IntN(len(content)), rng.IntN(8)
				damage = fmt.Sprintf("bit %d of byte %d of %d flipped", bit, at, len(content))
				content[at] ^= 1 << bit
				require.NoError(t, os.WriteFile(s.stateFile(), content, 0o600))
			}
			t.Log(damage)

			s.again()
			there := s.silencesByComment()
			lost := 0
			for _, want := range acknowledged {
				found, ok := there[want.Comment]
				if !ok {
					lost++
					continue
				}
				require.Equal(t, want, found, "what is there is what was written")
			}
			if lost > 0 {
				require.Contains(t, s.log.String(), "level=error", "%d silences are lost, and the log does not say so", lost)
				require.NotEqual(t, client.HealthOK, s.health("state").State, "%d silences are lost, and health does not say so", lost)
			}
			s.postAlerts(alert("After", "to", "fast"))
			sink.await("delivery by the server with a damaged state", of("After"))
			kept := s.putSilence(silenceOf("Kept"))
			s.restart(syscall.SIGKILL)
			require.Equal(t, kept, s.getSilence(kept.ID))
			s.tick(sink, "fast")
			s.stop()
		})
	}
}
