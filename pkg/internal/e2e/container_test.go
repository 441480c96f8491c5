package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// container is what a container runtime makes of the image: a root directory, a
// network, a user and an environment. Nothing of the image is built for it; it is put
// together as the Dockerfile says.
type container struct {
	*network
	t        *testing.T
	root     string
	env      []string
	uid, gid uint32
}

// newContainer makes a container with the image's files and directories in it.
func newContainer(t *testing.T) *container {
	t.Helper()
	c := &container{network: newNetwork(t), t: t, root: t.TempDir(), uid: 100, gid: 101}
	repository, err := filepath.Abs(filepath.Join("..", "..", ".."))
	require.NoError(t, err)
	c.mount(program(t, srcpromLean), "/bin/srcprom")
	c.mount(filepath.Join(repository, "packaging", "sg_config_prometheus"), "/sg_config_prometheus")
	c.mount("/proc", "/proc")
	for _, dir := range []string{"/prometheus", "/alertmanager"} {
		require.NoError(t, os.Mkdir(c.path(dir), 0o755))
		require.NoError(t, os.Chown(c.path(dir), 100, 101))
	}
	c.env = imageEnvironment(t, repository)
	c.hosts()
	return c
}

// imageEnvironment is what ENV of the Dockerfile sets.
func imageEnvironment(t *testing.T, repository string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, "Dockerfile"))
	require.NoError(t, err)
	_, after, found := strings.Cut(strings.ReplaceAll(string(text), "\\\n", " "), "\nENV ")
	require.True(t, found)
	line, _, _ := strings.Cut(after, "\n")
	return strings.Fields(line)
}

func (c *container) path(path string) string { return filepath.Join(c.root, path) }

// mount shows a file or a directory of the machine at a path of the container.
func (c *container) mount(from, at string) {
	c.t.Helper()
	info, err := os.Stat(from)
	require.NoError(c.t, err)
	if info.IsDir() {
		require.NoError(c.t, os.MkdirAll(c.path(at), 0o755))
	} else {
		c.write(at, "")
	}
	c.mountWith(from, c.path(at), 0)
}

func (c *container) mountWith(from, at string, flags uintptr) {
	c.t.Helper()
	require.NoError(c.t, syscall.Mount(from, at, "", syscall.MS_BIND|syscall.MS_REC|flags, ""))
	c.t.Cleanup(func() { require.NoError(c.t, syscall.Unmount(at, syscall.MNT_DETACH)) })
}

// volume mounts a new directory, which belongs to a user and a group.
func (c *container) volume(at string, uid, gid int, mode os.FileMode) (outside string) {
	c.t.Helper()
	outside = c.t.TempDir()
	require.NoError(c.t, os.Chown(outside, uid, gid))
	require.NoError(c.t, os.Chmod(outside, mode))
	c.mount(outside, at)
	return outside
}

// deployment mounts the files of testdata/deployments as an operator does, with some
// more beside them.
func (c *container) deployment(name string, more map[string]string) {
	c.t.Helper()
	dir := c.t.TempDir()
	require.NoError(c.t, os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "deployments", name))))
	for file, text := range more {
		write(c.t, filepath.Join(dir, file), text)
	}
	c.mount(dir, "/sg_prometheus_add_ons")
}

// readOnly lets nothing be written but what is mounted already.
func (c *container) readOnly() {
	c.t.Helper()
	c.mountWith(c.root, c.root, 0)
	require.NoError(c.t, syscall.Mount("", c.root, "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
}

func (c *container) write(at, text string) { write(c.t, c.path(at), text) }

// hosts are names for the network's one address. Other names are asked of a DNS
// server in the network, which need not be there.
func (c *container) hosts(names ...string) {
	c.t.Helper()
	c.write("/etc/hosts", "127.0.0.1 "+strings.Join(append(names, "localhost"), " ")+"\n")
	c.write("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
}

// run starts the image with arguments and additional variables, and publishes its
// port.
func (c *container) run(env []string, args ...string) *process {
	c.t.Helper()
	p := start(c.t, launch{
		args: args, env: slices.Concat(c.env, env), within: c.within,
		edit: func(cmd *exec.Cmd) {
			cmd.Path, cmd.Dir = "/bin/srcprom", "/"
			cmd.SysProcAttr = &syscall.SysProcAttr{
				Chroot: c.root, Credential: &syscall.Credential{Uid: c.uid, Gid: c.gid},
			}
		},
	})
	p.URL = "http://" + c.publish(c.t, "127.0.0.1:9090")
	return p
}
