package simulator

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// versionKey matches a runtime key and captures its release: "18" of 18.x,
// "17.3" of 17.3.x.
var versionKey = regexp.MustCompile(`^(\d+)(?:\.(\d+))?\.x-`)

type release struct {
	major, minor int
	key          string
	lts          bool
}

// resolveVersion returns the runtime key that an auto: value of a policy
// selects now; every other version, and an auto: value without a match, is
// returned unchanged.
func resolveVersion(version string) string {
	wanted, auto := strings.CutPrefix(version, "auto:")
	if !auto {
		return version
	}
	wanted, ml := strings.CutSuffix(wanted, "-ml")
	all := releases(ml)
	if len(all) == 0 {
		return version
	}
	latestLTS := slices.IndexFunc(all, func(r release) bool { return r.lts })
	found := -1
	switch wanted {
	case "latest":
		found = 0
	case "latest-lts":
		found = latestLTS
	case "prev-major":
		found = slices.IndexFunc(all, func(r release) bool { return r.major < all[0].major })
	case "prev-lts":
		if latestLTS < 0 {
			return version
		}
		found = slices.IndexFunc(all, func(r release) bool {
			return r.lts && (r.major != all[latestLTS].major || r.minor != all[latestLTS].minor)
		})
	}
	if found < 0 {
		return version
	}
	return all[found].key
}

// releases returns the generally available runtimes of the catalogue, newest
// first.
func releases(ml bool) []release {
	var all []release
	for _, offered := range runtimes {
		parts := versionKey.FindStringSubmatch(offered.key)
		special := strings.Contains(offered.key, "-gpu-") || strings.Contains(offered.key, "-photon-") || strings.Contains(offered.name, "Beta")
		if parts == nil || special || strings.Contains(offered.key, "-ml-") != ml {
			continue
		}
		major, _ := strconv.Atoi(parts[1])
		minor, _ := strconv.Atoi(parts[2])
		all = append(all, release{major: major, minor: minor, key: offered.key, lts: strings.Contains(offered.name, "LTS")})
	}
	slices.SortFunc(all, func(a, b release) int {
		return cmp.Or(cmp.Compare(b.major, a.major), cmp.Compare(b.minor, a.minor), strings.Compare(a.key, b.key))
	})
	return all
}
