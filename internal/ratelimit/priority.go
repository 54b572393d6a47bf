package ratelimit

import "time"

// Priority orders requests. The lower its number, the sooner a request is sent.
type Priority int

const (
	// PriorityTerminate is for requests that end costs: terminate, permanent-delete
	// and unpin, and the read that one of them waits for while Retry-After holds reads.
	// They pass open breakers, slowly.
	PriorityTerminate Priority = iota
	// PriorityChange is for all other writes: create, start, edit, update, resize,
	// restart and pin.
	PriorityChange
	// PriorityConfirm is for reads that a decision waits for.
	PriorityConfirm
	// PriorityFastList is for lists while something is in transition.
	PriorityFastList
	// PrioritySlowList is for lists while everything is quiet.
	PrioritySlowList
	// PriorityDeep is for reads that only have to happen once in days.
	PriorityDeep
	priorities
)

// level is how a priority competes for tokens.
type level struct {
	name string
	// floor is how many tokens must be there for a request to take one. Reads
	// leave a token to every write.
	floor float64
	// maxStarvation is how long the priority may get nothing while others get all;
	// then it ages and goes first.
	maxStarvation time.Duration
}

var levels = [priorities]level{
	PriorityTerminate: {"terminate", 1, 0},
	PriorityChange:    {"change", 1.5, time.Second},
	PriorityConfirm:   {"confirm", 2, time.Second},
	PriorityFastList:  {"fast-list", 2.5, 2 * time.Second},
	PrioritySlowList:  {"slow-list", 3, 4 * time.Second},
	PriorityDeep:      {"deep", 3.5, 30 * time.Second},
}

// String returns the name that metrics and logs use.
func (p Priority) String() string { return levels[p].name }

func (p Priority) isWrite() bool { return p <= PriorityChange }
