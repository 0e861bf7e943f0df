package local

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

const (
	port = "5432" // no TCP port: it only names the socket

	// maxSocketPath is the kernel's limit for the name of a socket: 107 bytes on Linux, 103 on macOS.
	maxSocketPath = 103
)

// home is the directory a server lives in. It stays ours, so that the server's user cannot plant
// links where root writes; data and sockets are the server's.
type home struct {
	dir     string
	data    string
	sockets string
	owner   *syscall.Credential // who runs the server; nil for ourselves
}

func openHome(ctx context.Context, dir string, log *slog.Logger) (_ home, err error) {
	var owner *syscall.Credential
	if os.Geteuid() == 0 {
		if owner, err = unprivileged(); err != nil {
			return home{}, err
		}
	}
	dir, err = makeDir(dir, owner)
	if err != nil {
		return home{}, err
	}
	if owner != nil && !reaches(ctx, owner, dir) {
		private := dir
		if dir, err = makeDir("/var/lib/orders-"+shortHash(private), owner); err != nil {
			return home{}, err
		}
		log.WarnContext(ctx, "postgres cannot run as root, and its user cannot enter the data directory: using another",
			"closed", private, "used", dir)
	}
	h := home{dir: dir, data: filepath.Join(dir, "data"), sockets: filepath.Join(dir, "run"), owner: owner}
	if len(filepath.Join(h.sockets, ".s.PGSQL."+port)) > maxSocketPath {
		h.sockets = filepath.Join(os.TempDir(), "orders-"+shortHash(dir))
	}
	return h, nil
}

// makeDir returns the directory's one true name, from which locks and hashes are made. The server's
// user, when it is not us, may pass through it, but neither list nor change it.
func makeDir(dir string, owner *syscall.Credential) (string, error) {
	mode := os.FileMode(0o700)
	if owner != nil {
		mode = 0o711
	}
	if err := os.MkdirAll(dir, mode); err != nil {
		return "", fmt.Errorf("create data directory: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return "", fmt.Errorf("create data directory: %w", err)
	}
	if err := os.Chmod(dir, info.Mode()|mode); err != nil { // umask, or somebody else, made it narrower
		return "", fmt.Errorf("open data directory: %w", err)
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return "", fmt.Errorf("locate data directory: %w", err)
	}
	return filepath.EvalSymlinks(dir)
}

func shortHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return fmt.Sprintf("%x", sum[:6])
}

// lock makes this process the home's only one. The kernel releases the lock however the process ends,
// and the server does not inherit it: Go opens every file close-on-exec.
func (h home) lock() (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(h.dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock data directory: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return f, nil
	}
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = ErrInUse
	}
	return nil, errors.Join(fmt.Errorf("lock %s: %w", h.dir, err), f.Close())
}

// openSockets makes the socket directory. Its mode is all that protects the server, which trusts
// every process that reaches the socket; so in a temporary directory, where any user may plant one under this
// name, it must turn out to be ours.
func (h home) openSockets() error {
	if err := os.Mkdir(h.sockets, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("create socket directory: %w", err)
	}
	info, err := os.Lstat(h.sockets)
	if err != nil {
		return fmt.Errorf("check socket directory: %w", err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	ours := ok && (int(stat.Uid) == os.Geteuid() || h.owner != nil && stat.Uid == h.owner.Uid)
	if !ours || info.Mode() != os.ModeDir|0o700 {
		return fmt.Errorf("socket directory %s is not a directory of ours with mode 0700: remove it", h.sockets)
	}
	return h.give(h.sockets)
}

func (h home) give(path string) error {
	if h.owner == nil {
		return nil
	}
	return os.Lchown(path, int(h.owner.Uid), int(h.owner.Gid))
}

// command runs a program as the server's user, away from the terminal's Ctrl-C and from a working
// directory that user may not see.
func (h home) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = "/"
	// The server's messages are read by us, in English; macOS needs a locale that is always there.
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: h.owner}
	cmd.WaitDelay = time.Second
	return cmd
}
