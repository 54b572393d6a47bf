package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/databricks-operator/databricks-operator/test/bench/figures"
)

// usage is the CPU time of each program of a measurement.
type usage map[figures.Program]time.Duration

func (u usage) add(other usage) {
	for program, used := range other {
		u[program] += used
	}
}

// figures returns the CPU time of a measurement that took some time.
func (u usage) figures(target string, took time.Duration) []figures.Figure {
	all := []figures.Figure{{Key: figures.CPUKey(target, figures.CPUWall), Value: took.Seconds()}}
	for program, used := range u {
		all = append(all, figures.Figure{Key: figures.CPUKey(target, program), Value: used.Seconds()})
	}
	return all
}

// meter measures the CPU time of all programs from its start on.
type meter struct {
	pids   map[figures.Program]int
	before usage
}

// startMeter starts a meter; without an operator, that which is read counts
// from its start.
func (r *rig) startMeter(one *operator) (*meter, error) {
	server, store, err := r.controlPlane()
	if err != nil {
		return nil, err
	}
	m := &meter{pids: map[figures.Program]int{
		figures.CPUServer: server, figures.CPUStore: store, figures.CPUSimulator: r.simulator.PID(),
	}}
	m.before, err = m.now(one)
	return m, err
}

// read returns what the programs have used since the start.
func (m *meter) read(one *operator) (usage, error) {
	used, err := m.now(one)
	for program, before := range m.before {
		used[program] -= before
	}
	return used, err
}

func (m *meter) now(one *operator) (usage, error) {
	used := usage{}
	var itself syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &itself); err != nil {
		return nil, fmt.Errorf("read a CPU time: %w", err)
	}
	used[figures.CPUBenchmark] = time.Duration(itself.Utime.Nano() + itself.Stime.Nano())
	for program, pid := range m.pids {
		its, err := cpuOf(pid)
		if err != nil {
			return nil, err
		}
		used[program] = its
	}
	if one == nil {
		return used, nil
	}
	its, err := one.cpu()
	used[figures.CPUOperator] = its
	return used, err
}

// controlPlane returns the process ids of the API server and of etcd, which have
// their addresses among their arguments.
func (r *rig) controlPlane() (server, store int, err error) {
	at := strings.LastIndexByte(r.config.Host, ':')
	if server, err = pidOf("kube-apiserver", "--secure-port="+strings.TrimSuffix(r.config.Host[at+1:], "/")); err != nil {
		return 0, 0, err
	}
	store, err = pidOf("etcd", "--listen-client-urls="+r.kubernetes.EtcdURL())
	return server, store, err
}

// pidOf returns the process of a program that has an argument.
func pidOf(program, argument string) (int, error) {
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return 0, fmt.Errorf("list the processes: %w", err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file) //nolint:gosec // beneath /proc
		if err != nil {
			continue // the process has exited
		}
		arguments := bytes.Split(content, []byte{0})
		if filepath.Base(string(arguments[0])) != program {
			continue
		}
		for _, one := range arguments {
			if string(one) == argument {
				return strconv.Atoi(filepath.Base(filepath.Dir(file))) //nolint:wrapcheck // the pattern allows digits only
			}
		}
	}
	return 0, fmt.Errorf("no process of %s has the argument %s", program, argument)
}
