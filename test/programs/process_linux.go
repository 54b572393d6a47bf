package programs

import "syscall"

// attributes make the kernel kill the process when the thread that started it
// ends. Go keeps its threads, so that is when this process ends.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
