package web

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/mwitkow/go-conntrack"
	toolkit "github.com/prometheus/exporter-toolkit/web"
	"github.com/prometheus/prometheus/util/netconnlimit"
	"go.yaml.in/yaml/v2"
)

// Listeners are the bound addresses of a server that does not serve yet.
// Whoever connects waits. New takes them over; without a New they are released
// with Close.
type Listeners struct {
	opts     Options
	public   []net.Listener
	internal []net.Listener
	self     *memoryListener
	external *url.URL
	prefix   string
}

// Listen checks the options and the web configuration file, and binds all
// addresses or none.
func Listen(opts Options, log *slog.Logger) (*Listeners, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	scheme, err := checkWebConfig(opts.WebConfigFile)
	if err != nil {
		return nil, err
	}
	l := &Listeners{opts: opts, self: newMemoryListener()}
	if err := l.bind(log); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	if l.external, err = ComputeExternalURL(opts.ExternalURL, scheme, l.Addr()); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	l.prefix = routePrefix(opts.RoutePrefix, l.external)
	return l, nil
}

// checkWebConfig validates the file and everything it names, and returns the
// scheme that it makes the server speak.
func checkWebConfig(path string) (string, error) {
	if path == "" {
		return "http", nil
	}
	if err := toolkit.Validate(path); err != nil {
		return "", fmt.Errorf("check web configuration file %q: %w", path, oneLine{err})
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("check web configuration file %q: %w", path, err)
	}
	var config toolkit.Config
	if err := yaml.Unmarshal(text, &config); err != nil {
		return "", fmt.Errorf("check web configuration file %q: %w", path, oneLine{err})
	}
	if config.TLSConfig.IsEnabled() {
		return "https", nil
	}
	return "http", nil
}

// oneLine is an error of the YAML decoder, which puts each fault on a line.
type oneLine struct{ error }

func (e oneLine) Error() string { return strings.Join(strings.Fields(e.error.Error()), " ") }
func (e oneLine) Unwrap() error { return e.error }

func (l *Listeners) bind(log *slog.Logger) error {
	public, err := l.bindPublic()
	l.public = public
	if err != nil {
		return err
	}
	for _, address := range l.opts.InternalListenAddresses {
		listener, err := listen(address, "choose another internal address")
		if err != nil {
			return err
		}
		l.internal = append(l.internal, listener)
	}
	// The two kinds have a limit each: crowded public listeners must not keep the
	// alerts of deployed configurations from arriving.
	l.public = limited(l.public, l.opts.MaxConnections)
	l.internal = limited(l.internal, l.opts.MaxConnections)
	for _, listener := range l.public {
		log.Info("Listening on", "address", listener.Addr().String())
	}
	for _, listener := range l.internal {
		log.Info("Listening on internal address, plain HTTP", "address", listener.Addr().String())
	}
	return nil
}

func (l *Listeners) bindPublic() ([]net.Listener, error) {
	if l.opts.SystemdSocket {
		return systemdListeners()
	}
	var bound []net.Listener
	for _, address := range l.opts.ListenAddresses {
		listener, err := listen(address, "choose another address with --web.listen-address")
		if err != nil {
			return bound, err
		}
		bound = append(bound, listener)
	}
	return bound, nil
}

func systemdListeners() ([]net.Listener, error) {
	passed, err := activation.Listeners()
	if err != nil {
		return nil, fmt.Errorf("take over sockets from systemd: %w", err)
	}
	var streams []net.Listener
	for _, listener := range passed {
		if listener != nil { // a datagram socket leaves a gap
			streams = append(streams, listener)
		}
	}
	if len(streams) == 0 {
		return nil, errors.New("take over sockets from systemd: it passed no stream socket; start through the socket unit, or drop --web.systemd-socket")
	}
	return streams, nil
}

func listen(address, remedy string) (net.Listener, error) {
	listener, err := net.Listen("tcp", address)
	if err == nil {
		return listener, nil
	}
	errno, ok := errors.AsType[syscall.Errno](err)
	switch {
	case !ok:
		return nil, fmt.Errorf("listen on %q: %w", address, err)
	case errno == syscall.EADDRINUSE:
		return nil, fmt.Errorf("listen on %q: %w: stop the process that holds it, or %s", address, errno, remedy)
	default:
		return nil, fmt.Errorf("listen on %q: %w: %s", address, errno, remedy)
	}
}

// limited shares one limit of connections between listeners and counts what they
// accept, as Listener of Prometheus's web/web.go does. Its tracing of connections
// is left out: only http.DefaultServeMux shows it, and nobody here serves that.
func limited(listeners []net.Listener, maxConnections int) []net.Listener {
	semaphore := netconnlimit.NewSharedSemaphore(maxConnections)
	wrapped := make([]net.Listener, len(listeners))
	for i, listener := range listeners {
		wrapped[i] = conntrack.NewListener(
			netconnlimit.SharedLimitListener(listener, semaphore),
			conntrack.TrackWithName("http"))
	}
	return wrapped
}

// Addr is the bound address of the first public listener.
func (l *Listeners) Addr() string {
	return l.public[0].Addr().String()
}

// ExternalURL is the URL under which others reach the server, without a slash at
// its end. The caller must not change it.
func (l *Listeners) ExternalURL() *url.URL {
	return l.external
}

// RoutePrefix is "" or the path, without a slash at its end, below which
// everything is served.
func (l *Listeners) RoutePrefix() string {
	return l.prefix
}

// Close releases all addresses. It may be called more than once.
func (l *Listeners) Close() error {
	var errs []error
	for _, listeners := range [][]net.Listener{l.public, l.internal, {l.self}} {
		for _, listener := range listeners {
			if err := listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
				errs = append(errs, fmt.Errorf("close listener %q: %w", listener.Addr(), err))
			}
		}
	}
	return errors.Join(errs...)
}
