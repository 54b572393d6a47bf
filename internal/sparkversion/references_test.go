package sparkversion

import (
	"testing"

	. "github.com/onsi/gomega"
)

func TestReferences(t *testing.T) {
	names := map[string]string{"9C6308F703005DF2": "etl", "AC6308F703005DF3": "shared"}
	for name, row := range map[string]struct {
		id       string
		names    map[string]string
		messages []string
	}{
		"a known id has no problem":                    {"9C6308F703005DF2", names, nil},
		"an empty id has no problem":                   {"", names, nil},
		"no id has a problem if the names are unknown": {"9C6308F703005DF2", nil, nil},
		"similar ids are suggested": {
			"9C6308F703005DF3", names,
			[]string{`spec.policyID "9C6308F703005DF3" is not known to the workspace: did you mean "9C6308F703005DF2" or "AC6308F703005DF3"?`},
		},
		"the id is suggested for a name": {
			"etl", names,
			[]string{`spec.policyID "etl" is a name, and an id is needed: write "9C6308F703005DF2"`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var messages []string
			for _, found := range References(Reference{Field: "spec.policyID", ID: row.id, Names: row.names}) {
				messages = append(messages, found.Message)
			}
			NewWithT(t).Expect(messages).To(Equal(row.messages))
		})
	}
}
