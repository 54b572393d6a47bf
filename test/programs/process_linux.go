package programs

import "syscall"

// attributes have the kernel kill the process when the thread that started it
// is gone: with the Go runtime, which keeps its threads, when we are.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
