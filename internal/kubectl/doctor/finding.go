package doctor

import "fmt"

// Status is the result of a check.
type Status string

// The results. Unknown means that the check could not be made.
const (
	OK      Status = "ok"
	Problem Status = "problem"
	Unknown Status = "unknown"
)

// Finding is the result of one check.
type Finding struct {
	// Check is what was looked at, in one or two words.
	Check string `json:"check"`
	// Status is the result.
	Status Status `json:"status"`
	// Text is the result in a sentence or two.
	Text string `json:"text"`
	// Commands fix the problem, in this order; empty: no command does.
	Commands []string `json:"commands,omitempty"`
}

// passed returns a finding without a problem.
func passed(check, format string, args ...any) Finding {
	return Finding{Check: check, Status: OK, Text: fmt.Sprintf(format, args...)}
}

// problem returns a problem with the commands that fix it.
func problem(check string, commands []string, format string, args ...any) Finding {
	return Finding{Check: check, Status: Problem, Text: fmt.Sprintf(format, args...), Commands: commands}
}

// notChecked returns that a check could not be made.
func notChecked(check, format string, args ...any) Finding {
	return Finding{Check: check, Status: Unknown, Text: fmt.Sprintf(format, args...)}
}

// Report is the results of all checks, in the order from the object to the cluster.
type Report struct {
	// Kind is the kind of the object and Object the object as namespace/name; both are
	// empty for a look at all of them.
	Kind   string `json:"kind,omitempty"`
	Object string `json:"object,omitempty"`
	// Ready is the condition Ready in a few words.
	Ready    string    `json:"ready,omitempty"`
	Findings []Finding `json:"findings"`
}

// HasProblem reports whether a check found a problem.
func (r *Report) HasProblem() bool {
	for _, finding := range r.Findings {
		if finding.Status == Problem {
			return true
		}
	}
	return false
}
