package programs

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// Operator is a cmd/manager process.
type Operator struct {
	*Process
	// ProbeURL is the base URL of /healthz and /readyz, such as
	// http://127.0.0.1:41234.
	ProbeURL string
}

// StartOperator starts the operator with flags of `manager --help` and waits
// until it is ready. Its probes are on a free port.
func StartOperator(ctx context.Context, binary, logFile string, flags ...string) (*Operator, error) {
	return StartOperatorWith(ctx, nil, binary, logFile, flags...)
}

// StartOperatorWith is StartOperator with additional environment variables, as
// NAME=value.
func StartOperatorWith(ctx context.Context, environment []string, binary, logFile string, flags ...string) (*Operator, error) {
	process, err := StartWith(environment, binary, logFile, append(flags, "--health-probe-bind-address=127.0.0.1:0")...)
	if err != nil {
		return nil, err
	}
	operator := &Operator{Process: process}
	if err := operator.awaitReady(ctx); err != nil {
		process.Kill()
		return nil, fmt.Errorf("%w\n%s", err, process.Log.Tail(5))
	}
	return operator, nil
}

func (o *Operator) awaitReady(ctx context.Context) error {
	line, err := o.awaitLine(ctx, `"name":"health probe"`)
	if err != nil {
		return err
	}
	var output struct {
		Address string `json:"addr"`
	}
	if err := json.Unmarshal([]byte(line), &output); err != nil || output.Address == "" {
		return fmt.Errorf("the operator's log names no address of its probes: %s", line)
	}
	o.ProbeURL = "http://" + output.Address
	return o.await(ctx, func(ctx context.Context) bool { return answersOK(ctx, o.ProbeURL+"/readyz") })
}

func answersOK(ctx context.Context, url string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return false
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	_ = answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}
