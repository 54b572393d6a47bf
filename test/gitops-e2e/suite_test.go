package gitops

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"
	ctrl "sigs.k8s.io/controller-runtime"
)

const (
	// timeout is for steps that take seconds on an idle machine, and
	// pollInterval is the interval of polling. The tools' own timeout is 20
	// minutes.
	timeout      = 4 * time.Minute
	pollInterval = 200 * time.Millisecond
)

var (
	// shared is the environment of all scenarios.
	shared *environment
	// summary is printed at the end.
	summary = newReport()
)

func TestMain(m *testing.M) {
	flag.Parse()
	ctrl.SetLogger(logr.Discard())
	SetDefaultEventuallyTimeout(timeout)
	SetDefaultEventuallyPollingInterval(pollInterval)
	SetDefaultConsistentlyPollingInterval(pollInterval)
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e-gitops:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	// The scenarios mostly wait.
	if err := flag.Set("test.parallel", "8"); err != nil {
		return 1, err
	}
	shared, err = startEnvironment()
	defer func() {
		err = errors.Join(err, shared.stop())
		if code != 0 || err != nil {
			fmt.Printf("e2e-gitops: the logs of all processes are in %s\n", shared.directory)
			return
		}
		err = os.RemoveAll(shared.directory)
	}()
	if err != nil {
		return 1, err
	}
	code = m.Run()
	summary.print(shared)
	return code, nil
}
