package managed

import (
	"fmt"
	"strconv"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
)

// ValueText returns the text of a value of the API for a status; empty: the value is
// absent. The caller redacts secrets.
func ValueText(value any) string {
	switch value := value.(type) {
	case nil:
		return ""
	case float64:
		return strconv.FormatFloat(value, 'f', -1, 64)
	default:
		return databricks.PlainText(fmt.Sprint(value))
	}
}

// usersText returns how many clusters use a remote object that is deleted.
func (in Input) usersText(id string) string {
	count := strconv.Itoa(in.Observed.Users.Count)
	if in.Observed.Users.More {
		count = "more than " + count
	}
	return fmt.Sprintf("%s %s was deleted while %s %s used it", in.Kind.Noun, id, count, in.Kind.UsersNoun)
}
