package sparkversion

import (
	"testing"

	. "github.com/onsi/gomega"
)

func TestReferences(t *testing.T) {
	names := map[string]string{"9C6308F703005DF2": "etl", "AC6308F703005DF3": "shared"}
	for name, row := range map[string]struct {
		id    string
		names map[string]string
		tells []string
	}{
		"one that is there is not told":                       {"9C6308F703005DF2", names, nil},
		"one that is not set is not told":                     {"", names, nil},
		"nothing is told where it is not known what there is": {"9C6308F703005DF2", nil, nil},
		"one that is spelled alike is suggested": {
			"9C6308F703005DF3", names,
			[]string{`spec.policyID "9C6308F703005DF3" is not known to the workspace: did you mean "9C6308F703005DF2" or "AC6308F703005DF3"?`},
		},
		"a name leads to its id": {
			"etl", names,
			[]string{`spec.policyID "etl" is a name, and an id is needed: write "9C6308F703005DF2"`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var told []string
			for _, found := range References(Reference{Field: "spec.policyID", ID: row.id, Names: row.names}) {
				told = append(told, found.Message)
			}
			NewWithT(t).Expect(told).To(Equal(row.tells))
		})
	}
}
