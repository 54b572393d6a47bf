package sparkversion

import (
	"cmp"
	"slices"
	"strings"
)

const (
	// maxNearest bounds how many names are suggested.
	maxNearest = 3
	// maxName bounds, in bytes, what is compared: the time grows with the product of two lengths.
	maxName = 512
	// maxDistance bounds how many letters of a long name may be wrong.
	maxDistance = 5
)

// Nearest is which of the known names someone may have meant who wrote name:
// those that begin with it, and those that few letters tell apart, case aside.
// At most three, nearest first, name itself never among them. The order of
// known has no influence.
func Nearest(name string, known []string) []string {
	if name == "" || len(name) > maxName {
		return nil
	}
	wanted := []rune(strings.ToLower(name))
	limit := min(max(1, len(wanted)/3), maxDistance)

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
		shared := sharedPrefix(wanted, other)
		begun := shared == len(wanted)
		if !begun && max(len(wanted), len(other))-min(len(wanted), len(other)) > limit {
			continue
		}
		if distance := editDistance(wanted, other); begun || distance <= limit {
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

// sharedPrefix counts the runes that a and b begin with in common.
func sharedPrefix(a, b []rune) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// editDistance is Levenshtein's: how many runes must be inserted, removed or
// replaced to make b of a.
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
