package plugin_test

import (
	"fmt"
	"os"
	"syscall"
	"unsafe"
)

// openTerminal returns both sides of a pseudoterminal of a width in columns.
func openTerminal(width uint16) (screen, program *os.File, err error) {
	screen, err = os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("open a pseudoterminal: %w", err)
	}
	var number, unlocked uint32
	size := struct{ rows, columns, x, y uint16 }{50, width, 0, 0}
	for _, call := range []struct {
		request uintptr
		value   unsafe.Pointer
	}{{syscall.TIOCGPTN, unsafe.Pointer(&number)}, {syscall.TIOCSPTLCK, unsafe.Pointer(&unlocked)}, {syscall.TIOCSWINSZ, unsafe.Pointer(&size)}} {
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, screen.Fd(), call.request, uintptr(call.value)); errno != 0 {
			_ = screen.Close()
			return nil, nil, fmt.Errorf("configure the pseudoterminal: %w", errno)
		}
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		_ = screen.Close()
		return nil, nil, fmt.Errorf("open the pseudoterminal: %w", err)
	}
	return screen, program, nil
}
