package selection

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

// Lists has what a workspace offers to a credential. A nil list is unknown; a known list
// may be empty.
type Lists struct {
	// Policies and InstancePools are names by id.
	Policies, InstancePools map[string]string
	Versions                []compute.SparkVersion
	NodeTypes               []compute.NodeType
}

// List is one of the lists of a workspace, as messages call it.
type List string

// The lists.
const (
	Policies      List = "cluster policies"
	InstancePools List = "instance pools"
	Versions      List = "runtimes"
	NodeTypes     List = "node types"
)

// Power is whether the cluster is known to be down, so that a new runtime restarts
// nothing.
type Power int

// The powers.
const (
	MayRun Power = iota
	Down
)

// Input has what a resolution depends on.
type Input struct {
	Spec *v1alpha1.DatabricksClusterSpec
	// Kept are the choices that were stored before; nil: none.
	Kept *v1alpha1.ResolvedStatus
	// Lists are the lists of the workspace.
	Lists Lists
	// Referents are the objects of the references; a missing one does not exist.
	Referents map[Reference]Referent
	// Host and WorkspaceID are the workspace of the specification. WorkspaceID may be
	// unknown, that is "".
	Host, WorkspaceID string
	// Power is that of the cluster; of an object without a cluster it is Down.
	Power Power
}

// Result is the outcome of a resolution.
type Result struct {
	// Resolved has the choices; nil if the specification has no choice.
	Resolved *v1alpha1.ResolvedStatus
	// Spec is the specification with all ids. It is valid if Unknown and Problem are zero.
	Spec *v1alpha1.DatabricksClusterSpec
	// Unknown is the first list without which a choice cannot be made; "" if there is none.
	// Field is the field of that choice.
	Unknown List
	Field   string
	// Problem is the first choice that is impossible until a user changes something, or
	// else the first one that waits for an object; nil if there is none.
	Problem *Problem
}

// Problem is a name, reference or selector that stands for nothing, for nothing yet, or for
// more than one thing.
type Problem struct {
	// Kind is what is wrong.
	Kind ProblemKind
	// Message names the field, its value and the way out.
	Message string
}

// ProblemKind is a kind of problem.
type ProblemKind int

// The kinds: a name that leads to no single id, a selector that nothing matches, a
// reference to an object that is not Ready, and one to an object of another workspace.
const (
	NotFound ProblemKind = iota
	NoMatch
	NotReady
	OtherWorkspace
)

// IsByLists reports whether newer lists of the workspace may solve a problem.
func (k ProblemKind) IsByLists() bool { return k == NotFound || k == NoMatch }

// choice is one field with a name, a reference or a selector.
type choice struct {
	// field is the field of the specification, and idField the one that it replaces.
	field, idField string
	// list is the list that the field is resolved by; "": it is a reference. kind is the
	// kind of the object of a reference.
	list List
	kind string
	// asked returns the value of the field as text; "" if it is absent.
	asked func(*v1alpha1.DatabricksClusterSpec) string
	// id and kept are where the result belongs.
	id   func(*v1alpha1.DatabricksClusterSpec) *string
	kept func(*v1alpha1.ResolvedStatus) *string
	// resolve returns the id. kept is the earlier choice for the same value; "" if there
	// is none. A reference has none.
	resolve func(in Input, c choice, kept string) (string, *Problem)
}

var choices = []choice{
	{
		field: "policyName", idField: "policyID", list: Policies, resolve: byName,
		asked: func(s *v1alpha1.DatabricksClusterSpec) string { return s.PolicyName },
		id:    func(s *v1alpha1.DatabricksClusterSpec) *string { return &s.PolicyID },
		kept:  func(r *v1alpha1.ResolvedStatus) *string { return &r.PolicyID },
	},
	{
		field: "instancePoolName", idField: "instancePoolID", list: InstancePools, resolve: byName,
		asked: func(s *v1alpha1.DatabricksClusterSpec) string { return s.InstancePoolName },
		id:    func(s *v1alpha1.DatabricksClusterSpec) *string { return &s.InstancePoolID },
		kept:  func(r *v1alpha1.ResolvedStatus) *string { return &r.InstancePoolID },
	},
	{
		field: "driverInstancePoolName", idField: "driverInstancePoolID", list: InstancePools, resolve: byName,
		asked: func(s *v1alpha1.DatabricksClusterSpec) string { return s.DriverInstancePoolName },
		id:    func(s *v1alpha1.DatabricksClusterSpec) *string { return &s.DriverInstancePoolID },
		kept:  func(r *v1alpha1.ResolvedStatus) *string { return &r.DriverInstancePoolID },
	},
	{
		field: "policyRef", idField: "policyID", kind: v1alpha1.PolicyKind,
		asked: func(s *v1alpha1.DatabricksClusterSpec) string { return nameOf(s.PolicyRef) },
		id:    func(s *v1alpha1.DatabricksClusterSpec) *string { return &s.PolicyID },
		kept:  func(r *v1alpha1.ResolvedStatus) *string { return &r.PolicyID },
	},
	{
		field: "instancePoolRef", idField: "instancePoolID", kind: v1alpha1.PoolKind,
		asked: func(s *v1alpha1.DatabricksClusterSpec) string { return nameOf(s.InstancePoolRef) },
		id:    func(s *v1alpha1.DatabricksClusterSpec) *string { return &s.InstancePoolID },
		kept:  func(r *v1alpha1.ResolvedStatus) *string { return &r.InstancePoolID },
	},
	{
		field: "driverInstancePoolRef", idField: "driverInstancePoolID", kind: v1alpha1.PoolKind,
		asked: func(s *v1alpha1.DatabricksClusterSpec) string { return nameOf(s.DriverInstancePoolRef) },
		id:    func(s *v1alpha1.DatabricksClusterSpec) *string { return &s.DriverInstancePoolID },
		kept:  func(r *v1alpha1.ResolvedStatus) *string { return &r.DriverInstancePoolID },
	},
	{
		field: "sparkVersionSelector", idField: "sparkVersion", list: Versions, resolve: runtime,
		asked: func(s *v1alpha1.DatabricksClusterSpec) string { return versionText(s.SparkVersionSelector) },
		id:    func(s *v1alpha1.DatabricksClusterSpec) *string { return &s.SparkVersion },
		kept:  func(r *v1alpha1.ResolvedStatus) *string { return &r.SparkVersion },
	},
	{
		field: "nodeTypeSelector", idField: "nodeTypeID", list: NodeTypes,
		resolve: nodeTypeOf(func(s *v1alpha1.DatabricksClusterSpec) *v1alpha1.NodeTypeSelector { return s.NodeTypeSelector }),
		asked:   func(s *v1alpha1.DatabricksClusterSpec) string { return text(s.NodeTypeSelector) },
		id:      func(s *v1alpha1.DatabricksClusterSpec) *string { return &s.NodeTypeID },
		kept:    func(r *v1alpha1.ResolvedStatus) *string { return &r.NodeTypeID },
	},
	{
		field: "driverNodeTypeSelector", idField: "driverNodeTypeID", list: NodeTypes,
		resolve: nodeTypeOf(func(s *v1alpha1.DatabricksClusterSpec) *v1alpha1.NodeTypeSelector { return s.DriverNodeTypeSelector }),
		asked:   func(s *v1alpha1.DatabricksClusterSpec) string { return text(s.DriverNodeTypeSelector) },
		id:      func(s *v1alpha1.DatabricksClusterSpec) *string { return &s.DriverNodeTypeID },
		kept:    func(r *v1alpha1.ResolvedStatus) *string { return &r.DriverNodeTypeID },
	},
}

// HasChoices reports whether a specification has a name, a reference or a selector.
func HasChoices(spec *v1alpha1.DatabricksClusterSpec) bool {
	return slices.ContainsFunc(choices, func(c choice) bool { return c.asked(spec) != "" })
}

// Needs returns the lists that a specification is resolved by, each once.
func Needs(spec *v1alpha1.DatabricksClusterSpec) []List {
	var needed []List
	for _, c := range choices {
		if c.list != "" && c.asked(spec) != "" && !slices.Contains(needed, c.list) {
			needed = append(needed, c.list)
		}
	}
	return needed
}

// Resolve resolves all names, references and selectors of a specification. While a list is
// unknown, or the object of a reference is not Ready, an earlier choice for the same value
// stands.
func Resolve(in Input) Result {
	result := Result{Spec: in.Spec}
	if !HasChoices(in.Spec) {
		return result
	}
	result.Spec = in.Spec.DeepCopy()
	result.Resolved = &v1alpha1.ResolvedStatus{For: map[string]string{}}
	for _, c := range choices {
		asked := c.asked(in.Spec)
		if asked == "" {
			continue
		}
		id, problem := in.keptFor(c, asked), (*Problem)(nil)
		switch {
		case c.kind != "":
			id, problem = refer(in, c, id)
		case in.Lists.knows(c.list):
			id, problem = c.resolve(in, c, id)
		case id == "" && result.Unknown == "":
			result.Unknown, result.Field = c.list, c.field
		}
		if problem != nil && (result.Problem == nil || result.Problem.Kind == NotReady && problem.Kind != NotReady) {
			result.Problem = problem
		}
		if id != "" {
			*c.id(result.Spec), *c.kept(result.Resolved), result.Resolved.For[c.field] = id, id, asked
		}
	}
	return result
}

// keptFor returns the earlier choice for a value; "" if there is none.
func (in Input) keptFor(c choice, asked string) string {
	if in.Kept == nil || in.Kept.For[c.field] != asked {
		return ""
	}
	return *c.kept(in.Kept)
}

func (l Lists) knows(list List) bool {
	switch list {
	case Policies:
		return l.Policies != nil
	case InstancePools:
		return l.InstancePools != nil
	case Versions:
		return l.Versions != nil
	default:
		return l.NodeTypes != nil
	}
}

// names returns the names by id of a list that has names.
func (l Lists) names(list List) map[string]string {
	if list == Policies {
		return l.Policies
	}
	return l.InstancePools
}

// byName resolves an exact name. If several have it, the earlier choice stands.
func byName(in Input, c choice, kept string) (string, *Problem) {
	asked, known := c.asked(in.Spec), in.Lists.names(c.list)
	var ids []string
	for id, name := range known {
		if name == asked {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	switch {
	case len(ids) == 1:
		return ids[0], nil
	case len(ids) == 0:
		names := slices.Compact(slices.Sorted(maps.Values(known)))
		return "", &Problem{Kind: NotFound, Message: fmt.Sprintf(
			"spec.%s %q is not the name of any of the %s that the credential can see: %screate it, permit the credential to use it, or correct the name",
			c.field, asked, c.list, nearest(asked, names))}
	case slices.Contains(ids, kept):
		return kept, nil
	default:
		return "", &Problem{Kind: NotFound, Message: fmt.Sprintf(
			"spec.%s %q is the name of %d %s (%s): set spec.%s to one of them instead, or rename the others",
			c.field, asked, len(ids), c.list, list(ids), c.idField)}
	}
}

// maxListed is the maximum number of ids in a message.
const maxListed = 5

func list(ids []string) string {
	if len(ids) > maxListed {
		return strings.Join(ids[:maxListed], ", ") + ", …"
	}
	return strings.Join(ids, ", ")
}

// text returns a selector as compact JSON; "" if it is absent.
func text[T any](selector *T) string {
	if selector == nil {
		return ""
	}
	encoded, err := json.Marshal(selector)
	if err != nil {
		return fmt.Sprint(err) // a struct of numbers, texts and booleans cannot fail
	}
	return string(encoded)
}

// versionText returns the selector of a runtime without Update, which does not change
// what is selected.
func versionText(selector *v1alpha1.SparkVersionSelector) string {
	if selector == nil {
		return ""
	}
	selected := *selector
	selected.Update = ""
	return text(&selected)
}
