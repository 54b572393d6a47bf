package sparkversion

import (
	"cmp"
	"slices"
	"strings"
)

const (
	// maxNearest is the maximum number of suggestions.
	maxNearest = 3
	// maxName is the maximum length of a name, in bytes. The time of a comparison grows
	// with the product of two lengths.
	maxName = 512
	// maxDistance is the maximum edit distance of a suggestion.
	maxDistance = 5
)

// Nearest returns suggestions for a mistyped name: the known names that begin with it,
// and those with a small edit distance, ignoring case. It returns at most three, the
// nearest first, and never the name itself. The order of known has no influence.
func Nearest(name string, known []string) []string {
	if name == "" || len(name) > maxName {
		return nil
	}
	target := []rune(strings.ToLower(name))
	limit := min(max(1, len(target)/3), maxDistance)

	type candidate struct {
		name     string
		distance int
		shared   int
	}
	var near []candidate
	for _, k := range known {
		if k == "" || k == name || len(k) > maxName {
			continue
		}
		other := []rune(strings.ToLower(k))
		shared := sharedPrefix(target, other)
		isPrefix := shared == len(target)
		if !isPrefix && max(len(target), len(other))-min(len(target), len(other)) > limit {
			continue
		}
		if distance := editDistance(target, other); isPrefix || distance <= limit {
			near = append(near, candidate{name: k, distance: distance, shared: shared})
		}
	}
	slices.SortFunc(near, func(a, b candidate) int {
		return cmp.Or(
			cmp.Compare(a.distance, b.distance),
			cmp.Compare(b.shared, a.shared),
			cmp.Compare(a.name, b.name))
	})
	near = slices.Compact(near)

	names := make([]string, 0, maxNearest)
	for _, c := range near[:min(len(near), maxNearest)] {
		names = append(names, c.name)
	}
	return names
}

// sharedPrefix returns the length of the common prefix of a and b.
func sharedPrefix(a, b []rune) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// editDistance returns the Levenshtein distance: the number of runes that must be
// inserted, removed or replaced to change a to b.
func editDistance(a, b []rune) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i, x := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j, y := range b {
			replaced := diagonal
			if x != y {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
