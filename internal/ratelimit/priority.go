package ratelimit

import "time"

// Priority orders requests. The lower its number, the sooner a request is sent.
type Priority int

const (
	// PriorityTerminate is for requests that end costs: terminate, permanent-delete
	// and unpin, and for the reads that a deletion waits for during a Retry-After. They
	// pass open breakers, at a low rate.
	PriorityTerminate Priority = iota
	// PriorityChange is for all other writes: create, start, edit, update, resize,
	// restart and pin.
	PriorityChange
	// PriorityConfirm is for reads that a decision waits for.
	PriorityConfirm
	// PriorityFastList is for lists while a cluster is in transition.
	PriorityFastList
	// PrioritySlowList is for all other lists.
	PrioritySlowList
	// PriorityDeep is for reads that are due every few days.
	PriorityDeep
	priorities
)

// level has the parameters of a priority.
type level struct {
	name string
	// floor is the number of tokens that must be available for a request. Reads leave
	// at least one token to writes.
	floor float64
	// maxStarvation is how long requests of the priority may wait before it goes first.
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
