package histories

import (
	"encoding/base64"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Step is one line of a history, such as "+45s edit a/one {"numWorkers":3}".
type Step struct {
	// Pause is how long nothing is done before the step.
	Pause time.Duration
	Verb  string
	// Object is empty if the step is not about one, and Argument if it needs none.
	Object, Argument string
}

// String returns the step as a line.
func (s Step) String() string {
	return strings.TrimSpace(strings.Join(slices.DeleteFunc([]string{
		"+" + s.Pause.String(), s.Verb, s.Object, s.Argument,
	}, func(part string) bool { return part == "" }), " "))
}

// ParseStep parses a line.
func ParseStep(line string) (Step, error) {
	parts := strings.Fields(line)
	if len(parts) < 2 {
		return Step{}, fmt.Errorf("step %q: want +PAUSE VERB [OBJECT] [ARGUMENT]", line)
	}
	pause, err := time.ParseDuration(strings.TrimPrefix(parts[0], "+"))
	if err != nil {
		return Step{}, fmt.Errorf("step %q: %w", line, err)
	}
	step := Step{Pause: pause, Verb: parts[1]}
	known, ok := verbOf(step.Verb)
	if !ok {
		return Step{}, fmt.Errorf("step %q: unknown verb %q", line, step.Verb)
	}
	rest := parts[2:]
	if known.target == anObject && len(rest) > 0 {
		step.Object, rest = rest[0], rest[1:]
	}
	step.Argument = strings.Join(rest, " ")
	return step, nil
}

func verbOf(name string) (verb, bool) {
	i := slices.IndexFunc(verbs, func(v verb) bool { return v.name == name })
	if i < 0 {
		return verb{}, false
	}
	return verbs[i], true
}

// pauses are the times between two steps. Most steps follow soon, so that they meet what
// the operator does at that time.
var pauses = slices.Concat(slices.Repeat([]time.Duration{
	0, 0, 20 * time.Millisecond, 60 * time.Millisecond, 150 * time.Millisecond, time.Second, 3 * time.Second, 12 * time.Second,
}, 4), []time.Duration{45 * time.Second, 45 * time.Second, 2 * time.Minute, 6 * time.Minute})

// betweenQuiets is the number of steps between two quiet times of a random history.
const betweenQuiets = 200

// Random returns a history of a number of steps, and a quiet time after every
// betweenQuiets of them.
func Random(seed uint64, count int) []Step {
	random := rand.New(rand.NewPCG(seed, 1))
	total := 0
	for _, v := range verbs {
		total += v.weight
	}
	steps := make([]Step, 0, count+1)
	if offsets := clockOffsets(); random.IntN(3) == 0 {
		steps = append(steps, Step{Verb: "clock", Argument: offsets[random.IntN(len(offsets))]})
	}
	for i := range count {
		if i > 0 && i%betweenQuiets == 0 {
			steps = append(steps, Step{Verb: "quiet"})
		}
		drawn := random.IntN(total)
		for _, v := range verbs {
			if drawn -= v.weight; drawn >= 0 {
				continue
			}
			step := Step{Pause: pauses[random.IntN(len(pauses))], Verb: v.name}
			if v.target == anObject {
				step.Object = objects[random.IntN(len(objects))]
			}
			if len(v.arguments) > 0 {
				step.Argument = v.arguments[random.IntN(len(v.arguments))]
			}
			steps = append(steps, step)
			break
		}
	}
	return steps
}

func clockOffsets() []string {
	clock, _ := verbOf("clock")
	return clock.arguments
}

func sortedNames[T any](all map[string]T) []string { return slices.Sorted(maps.Keys(all)) }

func duration(text string) time.Duration {
	parsed, err := time.ParseDuration(text)
	if err != nil {
		panic(err)
	}
	return parsed
}

func base64Of(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
