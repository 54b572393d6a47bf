package cache

import "time"

// Class is the kind of a call. The lower its number, the sooner it is let
// through.
type Class int

const (
	classTerminate Class = iota
	classChange
	classConfirm
	classFastList
	classSlowList
	classDeep
	classes
)

// WriteClass is the kind of a write.
type WriteClass int

const (
	// ClassTerminate: terminate, permanent-delete and unpin. They end costs, so
	// they go first.
	ClassTerminate = WriteClass(classTerminate)
	// ClassChange: create, start, edit, update, resize, restart and pin.
	ClassChange = WriteClass(classChange)
)

// rank is how a class competes for tokens.
type rank struct {
	name string
	// floor is how many tokens must be there for a call of the class to take
	// one. What lies between the floors is what the classes above never have to
	// share: reads leave a token to every write.
	floor float64
	// patience is how long the class may get nothing while others get all; then
	// the next token is its own.
	patience time.Duration
}

var ranks = [classes]rank{
	classTerminate: {"terminate", 1, 0},
	classChange:    {"change", 1.5, time.Second},
	classConfirm:   {"confirm", 2, time.Second},
	classFastList:  {"fast-list", 2.5, 2 * time.Second},
	classSlowList:  {"slow-list", 3, 4 * time.Second},
	classDeep:      {"deep", 3.5, 30 * time.Second},
}

// String is the class's name, as metrics and logs have it.
func (c Class) String() string { return ranks[c].name }
