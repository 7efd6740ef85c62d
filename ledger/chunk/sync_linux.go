package chunk

import (
	"os"
	"syscall"
)

// syncData is fdatasync: content and size, but not the times of the file.
func syncData(f *os.File) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var syncErr error
	err = conn.Control(func(fd uintptr) {
		for syncErr = syscall.Fdatasync(int(fd)); syncErr == syscall.EINTR; {
			syncErr = syscall.Fdatasync(int(fd))
		}
	})
	if err != nil {
		return err
	}
	return syncErr
}
