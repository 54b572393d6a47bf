package main

import (
	"runtime/debug"
	"testing"

	. "github.com/onsi/gomega"
)

func TestTheHeapGrowsByHalfUnlessGOGCSaysOtherwise(t *testing.T) {
	for name, row := range map[string]struct {
		environment string
		percent     int
	}{
		"without GOGC": {"", 50},
		"with GOGC":    {"200", 80},
	} {
		t.Run("[P8] "+name, func(t *testing.T) {
			// Go reads GOGC when a process starts, so 80 stands for what it has read.
			former := debug.SetGCPercent(80)
			defer debug.SetGCPercent(former)
			t.Setenv("GOGC", row.environment)
			limitGarbage()
			NewWithT(t).Expect(debug.SetGCPercent(80)).To(Equal(row.percent))
		})
	}
}
