//go:build !linux

package plugin_test

import (
	"errors"
	"os"
)

// openTerminal is implemented for Linux only.
func openTerminal(uint16) (screen, program *os.File, err error) {
	return nil, nil, errors.ErrUnsupported
}
