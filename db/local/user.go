package local

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// unprivileged is who runs the server for root, as which Postgres refuses to run.
func unprivileged() (*syscall.Credential, error) {
	u, err := user.Lookup("postgres")
	if errors.As(err, new(user.UnknownUserError)) {
		u, err = user.Lookup("nobody")
	}
	if err != nil {
		return nil, fmt.Errorf("find an unprivileged user for postgres: %w", err)
	}
	groups, err := u.GroupIds()
	if err != nil {
		return nil, fmt.Errorf("find the groups of user %s: %w", u.Username, err)
	}
	ids := make([]uint32, 0, len(groups)+2)
	for _, id := range append([]string{u.Uid, u.Gid}, groups...) {
		n, err := strconv.ParseUint(id, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("read the ids of user %s: %w", u.Username, err)
		}
		ids = append(ids, uint32(n))
	}
	return &syscall.Credential{Uid: ids[0], Gid: ids[1], Groups: ids[2:]}, nil
}

// reaches says whether the user can enter dir. Only the kernel knows (every parent counts, and access
// lists besides modes), so a child process tries.
func reaches(ctx context.Context, who *syscall.Credential, dir string) bool {
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", ":")
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who}
	return cmd.Run() == nil
}
