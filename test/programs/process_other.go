//go:build unix && !linux

package programs

import "syscall"

// attributes keep a terminal's Ctrl-C from reaching the process.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
