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
	// patience is for what takes seconds on an idle machine, glance how often it
	// is looked at. The tools give up much later: after 20 minutes.
	patience = 4 * time.Minute
	glance   = 200 * time.Millisecond
)

var (
	// lab is what all scenarios share.
	lab *laboratory
	// summary is what is told at the end.
	summary = newReport()
)

func TestMain(m *testing.M) {
	flag.Parse()
	ctrl.SetLogger(logr.Discard())
	SetDefaultEventuallyTimeout(patience)
	SetDefaultEventuallyPollingInterval(glance)
	SetDefaultConsistentlyPollingInterval(glance)
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e-gitops:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	// The scenarios wait most of the time.
	if err := flag.Set("test.parallel", "8"); err != nil {
		return 1, err
	}
	lab, err = startLaboratory()
	defer func() {
		err = errors.Join(err, lab.stop())
		if code != 0 || err != nil {
			fmt.Printf("e2e-gitops: the logs of all processes are in %s\n", lab.directory)
			return
		}
		err = os.RemoveAll(lab.directory)
	}()
	if err != nil {
		return 1, err
	}
	code = m.Run()
	summary.print(lab)
	return code, nil
}
