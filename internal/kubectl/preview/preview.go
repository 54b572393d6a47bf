package preview

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/drift"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/owner"
	"github.com/databricks-operator/databricks-operator/internal/plan"
	"github.com/databricks-operator/databricks-operator/internal/report"
	"github.com/databricks-operator/databricks-operator/internal/selection"
)

// Input has all that a preview depends on.
type Input struct {
	// Object is the object as it would be: the declared one, with the status of the
	// existing one.
	Object *v1alpha1.DatabricksCluster
	Facts  Facts
	// OperatorID is the id of the operator; empty: unknown.
	OperatorID string
	Now        time.Time
}

// Preview is what the operator would do for an object.
type Preview struct {
	// Kind is the kind of the object, such as DatabricksCluster.
	Kind string `json:"kind"`
	// Object is the object as namespace/name.
	Object string `json:"object"`
	Host   string `json:"host"`
	// ID is the id of the cluster, policy or pool; empty: there is none yet. State is its
	// state.
	ID    string `json:"id,omitempty"`
	State string `json:"state,omitempty"`
	// Changes are the differences that the operator would correct, now or later.
	Changes []Change `json:"changes,omitempty"`
	// Left are the differences that it would leave as they are.
	Left []Change `json:"left,omitempty"`
	// Calls are the calls to the workspace, in their order.
	Calls []Call `json:"calls,omitempty"`
	// Reason and Message are those of the condition Ready once the calls have been made;
	// empty if that is the state of the cluster.
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	// Stalled reports whether the operator would stop until the object is changed.
	Stalled bool `json:"stalled,omitempty"`
}

// Change is one difference.
type Change struct {
	// Path is a JSON Pointer into spec.
	Path string `json:"path"`
	// From is the value of the cluster and To the declared one, without values that may be
	// secret; empty: absent.
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
}

// Call is one call to the workspace.
type Call struct {
	// Endpoint is the endpoint in the API, such as clusters/update.
	Endpoint string `json:"endpoint"`
	// Restarts reports whether it restarts the running cluster.
	Restarts bool `json:"restarts"`
	// When is "now", or what it waits for.
	When string `json:"when"`
}

// WouldChange reports whether the operator would change something, now or later.
func (p Preview) WouldChange() bool { return len(p.Calls) > 0 || len(p.Changes) > 0 }

// now is the value of Call.When for a call that waits for nothing.
const now = "now"

// maxSteps bounds the simulation: far more steps than any object needs.
const maxSteps = 30

// Of returns the preview. It is pure.
func Of(in Input) Preview {
	p := Preview{Kind: v1alpha1.ClusterKind, Object: in.Object.Namespace + "/" + in.Object.Name, Host: in.Facts.Host, ID: clusterID(in.Object)}
	if in.Facts.Presence == managed.Present {
		p.State = string(in.Facts.Cluster.Details.State)
	}
	s, problem := newSimulation(in)
	if problem != nil {
		p.Reason, p.Message, p.Stalled = problem.Reason, problem.Message, problem.Stalled
		if problem.Reason == v1alpha1.ReasonDependencyNotReady && p.ID == "" {
			p.Calls = []Call{{Endpoint: endpoints[plan.StepCreate], When: "once what it refers to is Ready"}}
		}
		return p
	}
	before := slices.Clone(s.observed.Differences)
	normalized := s.observed.Normalized
	s.run(&p)
	p.Changes, p.Left = changesOf(before), changesOf(normalized)
	if s.isTolerated {
		p.Left, p.Changes = append(p.Changes, p.Left...), nil
	}
	p.Changes = append(p.Changes, s.further...)
	return p
}

// simulation evaluates the steps of the operator on copies.
type simulation struct {
	input    Input
	object   *v1alpha1.DatabricksCluster
	observed plan.Observation
	attempts plan.Attempts
	// further are changes beside the fields of the cluster.
	further []Change
	// isTolerated reports whether the operator leaves the differences as they are.
	isTolerated bool
}

// newSimulation returns the facts as the operator would observe them now, or why it would stop
// before it compares.
func newSimulation(in Input) (*simulation, *managed.Verdict) {
	s := &simulation{input: in, object: in.Object.DeepCopy()}
	power := selection.MayRun
	if in.Facts.Presence != managed.Present || in.Facts.Cluster.Details.State == compute.StateTerminated {
		power = selection.Down
	}
	resolved := selection.Resolve(selection.Input{
		Spec: &s.object.Spec, Kept: s.object.Status.Resolved, Lists: in.Facts.Lists, Power: power,
		Referents: in.Facts.Referents, Host: in.Facts.Host, WorkspaceID: in.Facts.Principal.WorkspaceID,
	})
	if resolved.Problem != nil {
		return nil, problemVerdict(resolved.Problem)
	}
	if err := plan.CheckHours(s.object); err != nil {
		return nil, &managed.Verdict{Reason: v1alpha1.ReasonInvalidSpec, Message: err.Error(), Stalled: true}
	}
	desired, err := drift.Desired(&resolved.Spec.ClusterSpec, drift.Secrets{})
	if err != nil {
		return nil, &managed.Verdict{Reason: v1alpha1.ReasonInvalidSpec, Message: err.Error(), Stalled: true}
	}
	s.observed = plan.Observation{
		Host: in.Facts.Host, Principal: in.Facts.Principal.UserName, WorkspaceID: in.Facts.Principal.WorkspaceID,
		Presence: in.Facts.Presence, Details: in.Facts.Cluster.Details, ReadAt: in.Now, Owner: in.ownerTag(), ManagedBy: in.Facts.ManagedBy,
		Desired: desired, Resolved: resolved.Resolved,
		Libraries: in.Facts.Libraries, Permissions: in.Facts.Permissions, Pinned: in.Facts.Pinned,
	}
	// The reads of the workspace are newer than everything that this process did, which is nothing.
	s.attempts = plan.Attempts{}.Seen(s.object, in.Now.Add(-time.Minute))
	if in.Facts.Presence != managed.Present {
		return s, nil
	}
	found, err := plan.Compare(plan.CompareInput{
		Cluster: s.object, Desired: desired, Details: in.Facts.Cluster.Details, ReadAt: in.Now,
		Spec: in.Facts.Cluster.Spec, SpecAt: in.Now, Attempts: s.attempts,
	})
	if err != nil {
		return nil, &managed.Verdict{Reason: v1alpha1.ReasonAPIUnavailable, Message: err.Error()}
	}
	s.observed.Compared, s.observed.Differences, s.observed.Normalized = found.Complete, found.Differences, found.Normalized
	s.observed.SpecKnown, s.observed.SpecAt = found.Observed.SpecKnown(), in.Now
	return s, nil
}

// problemVerdict returns the verdict on a name that leads to nothing. An object that waits
// for another one is not stalled.
func problemVerdict(problem *selection.Problem) *managed.Verdict {
	reason := v1alpha1.ReasonReferenceNotFound
	switch problem.Kind {
	case selection.NoMatch:
		reason = v1alpha1.ReasonNoMatch
	case selection.NotReady:
		reason = v1alpha1.ReasonDependencyNotReady
	case selection.NotFound, selection.OtherWorkspace:
	}
	return &managed.Verdict{Reason: reason, Message: problem.Message, Stalled: problem.Kind != selection.NotReady}
}

// ownerTag returns the tag of the clusters that are created for the object.
func (in Input) ownerTag() drift.Tag {
	id := in.OperatorID
	if in.Facts.Presence == managed.Present {
		// The cluster of the object itself has the id of its operator.
		if of := owner.Parse(in.Facts.Cluster.Details.CustomTags[v1alpha1.OwnerTagKey]); of.UID == string(in.Object.UID) && of.UID != "" {
			id = of.Operator
		}
	}
	return drift.Tag{Key: v1alpha1.OwnerTagKey, Value: owner.Of(id, string(in.Object.UID), in.Object.Namespace, in.Object.Name).Tag()}
}

// run makes plan after plan until the operator would do nothing, and records the calls.
func (s *simulation) run(p *Preview) {
	for range maxSteps {
		next := plan.Make(plan.Input{
			Cluster: s.object, Observed: s.observed, Attempts: s.attempts, Now: s.input.Now,
			Limits: plan.Limits{CreateWindow: 10 * time.Second, RequestDeadline: 30 * time.Second, VisibilityGrace: 30 * time.Second},
		})
		p.Reason, p.Message, p.Stalled = next.Verdict.Reason, next.Verdict.Message, next.Verdict.Stalled
		if next.Step == nil {
			s.settle(p, next)
			return
		}
		if next.Kind().WritesToDatabricks() {
			p.Calls = append(p.Calls, s.callOf(next.Step))
		}
		if !s.carryOut(next) {
			return
		}
	}
}

// settle records what waits, and what the operator leaves as it is.
func (s *simulation) settle(p *Preview, next plan.Plan) {
	switch next.Verdict.Reason {
	case v1alpha1.ReasonChangesDeferred:
		if len(s.observed.Differences) > 0 {
			_, when, _ := strings.Cut(next.Verdict.Message, ": applied ")
			p.Calls = append(p.Calls, Call{Endpoint: "clusters/update", When: when})
		}
	case v1alpha1.ReasonDriftTolerated:
		if s.object.Spec.DriftPolicy == v1alpha1.DriftPolicyWarn {
			s.isTolerated = true
		} else {
			p.Calls = append(p.Calls, Call{Endpoint: "clusters/update", When: "when the cluster is down or restarted, by driftPolicy"})
		}
	case "":
		s.isTolerated = len(s.observed.Differences) > 0
	}
	if s.object.Spec.ManagementPolicy == v1alpha1.ManagementPolicyObserve {
		s.isTolerated = true
	}
	if s.object.Spec.Suspend && len(s.observed.Differences) > 0 {
		p.Calls = append(p.Calls, Call{Endpoint: "clusters/update", When: "when the object is resumed (spec.suspend)"})
		s.isTolerated = false
	}
}

// endpoints are the calls of the steps.
var endpoints = map[plan.StepKind]string{
	plan.StepCreate: "clusters/create", plan.StepStart: "clusters/start", plan.StepRestart: "clusters/restart",
	plan.StepResize: "clusters/resize", plan.StepUpdate: "clusters/update", plan.StepTerminate: "clusters/delete",
	plan.StepPermanentDelete: "clusters/permanent-delete", plan.StepPin: "clusters/pin", plan.StepUnpin: "clusters/unpin",
	plan.StepSetPermissions: "permissions/clusters", plan.StepEnforceCompliance: "policies/clusters/enforce-compliance",
	plan.StepInstallLibraries: "libraries/install", plan.StepUninstallLibraries: "libraries/uninstall",
}

// callOf returns the call of a step.
func (s *simulation) callOf(step plan.Step) Call {
	call := Call{Endpoint: endpoints[plan.KindOf(step)], When: now}
	isRunning := s.observed.Details != nil && s.observed.Details.State == compute.StateRunning
	switch step := step.(type) {
	case plan.Update:
		call.Restarts = isRunning
		if step.Method == plan.EditWhole {
			call.Endpoint = "clusters/edit"
		}
	case plan.Restart, plan.EnforceCompliance:
		call.Restarts = isRunning
	default:
	}
	return call
}

// carryOut applies the effect of a step, and reports whether the simulation continues.
func (s *simulation) carryOut(next plan.Plan) bool {
	switch step := next.Step.(type) {
	case plan.AddFinalizer:
		s.object.Finalizers = append(s.object.Finalizers, v1alpha1.FinalizerCluster)
		return true
	case plan.ReadSpec:
		s.attempts = s.attempts.WithBase(step.Differences, s.input.Now.Add(-time.Second))
		return true
	case plan.Publish:
		s.observed.Output.Data = step.Data
		return true
	case plan.Create, plan.PermanentDelete, plan.RemoveFinalizer, plan.EnforceCompliance, plan.Restart:
		return false
	case plan.Start:
		s.setState(compute.StateRunning)
	case plan.Terminate:
		s.setState(compute.StateTerminated)
	case plan.Resize:
		s.correct(step.Differences)
	case plan.Update:
		s.correct(step.Differences)
	case plan.Pin:
		s.observed.Pinned = new(true)
	case plan.Unpin:
		s.observed.Pinned = new(false)
	case plan.SetPermissions:
		before := s.observed.Permissions.Direct
		s.further = append(s.further, Change{Path: "/accessControlList", From: shownPermissions(before), To: shownPermissions(step.Permissions)})
		s.observed.Permissions.Direct = step.Permissions
	case plan.InstallLibraries:
		for _, library := range step.Libraries {
			s.further = append(s.further, Change{Path: "/libraries", To: drift.LibraryDisplayName(library)})
			s.observed.Libraries.Statuses = append(s.observed.Libraries.Statuses,
				compute.LibraryFullStatus{Library: &library, Status: compute.LibraryInstallStatusInstalled})
		}
	case plan.UninstallLibraries:
		for _, library := range step.Libraries {
			s.further = append(s.further, Change{Path: "/libraries", From: drift.LibraryDisplayName(library)})
		}
		s.observed.Libraries.Statuses = slices.DeleteFunc(slices.Clone(s.observed.Libraries.Statuses), func(status compute.LibraryFullStatus) bool {
			return slices.ContainsFunc(step.Libraries, func(library compute.Library) bool {
				return drift.LibraryIdentity(library) == drift.LibraryIdentity(*status.Library)
			})
		})
	case plan.StoreClusterID, plan.PersistOwnership, plan.PersistLibraries, plan.AcknowledgeRequest: // only the status changes
	}
	// The status after the step decides what comes next.
	s.object.Status = report.Of(report.Input{
		Cluster: s.object, Observed: s.observed, Plan: next, Outcome: report.Outcome{Ran: true}, Now: s.input.Now,
	}).Status
	return true
}

func (s *simulation) setState(state compute.State) {
	details := *s.observed.Details
	details.State = state
	s.observed.Details = &details
}

// correct removes corrected differences.
func (s *simulation) correct(corrected []drift.Difference) {
	s.observed.Differences = slices.DeleteFunc(slices.Clone(s.observed.Differences), func(d drift.Difference) bool {
		return slices.ContainsFunc(corrected, func(other drift.Difference) bool { return other.Path == d.Path })
	})
}

func changesOf(differences []drift.Difference) []Change {
	var changes []Change
	for _, difference := range differences {
		changes = append(changes, Change{
			Path: difference.SpecPath(), From: shown(difference, difference.Actual), To: shown(difference, difference.Desired),
		})
	}
	return changes
}

// shown returns a value without what may be a secret; empty: it is absent.
func shown(difference drift.Difference, value any) string {
	switch {
	case value == nil:
		return ""
	case difference.Secret():
		return redacted
	default:
		return shownValue(value)
	}
}

// redacted stands for a value that may be secret.
const redacted = "[redacted]"

// shownValue returns a value as a user would write it, on one line.
func shownValue(value any) string {
	switch value := value.(type) {
	case string:
		return databricks.PlainText(value)
	case float64:
		return strconv.FormatFloat(value, 'f', -1, 64)
	case map[string]any, []any:
		// Values of the API can always be encoded.
		text, _ := json.Marshal(value) //nolint:errchkjson // see above
		return databricks.PlainText(string(text))
	default:
		return databricks.PlainText(fmt.Sprint(value))
	}
}

func shownPermissions(permissions []drift.Permission) string {
	texts := make([]string, 0, len(permissions))
	for _, permission := range permissions {
		texts = append(texts, permission.UserName+permission.GroupName+permission.ServicePrincipalName+" "+string(permission.PermissionLevel))
	}
	return databricks.PlainText(strings.Join(texts, ", "))
}
