package controller

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/drift"
	"github.com/databricks-operator/databricks-operator/internal/plan"
)

// attemptStore is what this process remembers of objects between two reconciles. It
// only spares work: whatever must survive a crash is in the objects' status.
//
// An object is known by its name and its uid: another object of the same name has
// nothing of it.
type attemptStore struct {
	// mu guards objects.
	mu      sync.Mutex
	objects map[types.NamespacedName]map[types.UID]attemptState
}

type attemptState struct {
	attempt plan.Attempt
	// sideAttempts are the last attempts at steps that hold up no other.
	sideAttempts map[plan.Step]plan.Attempt
	// generation is the specification that was last seen, first at generationAt.
	generation   int64
	generationAt time.Time
	// judged is what a GET's spec was last used to judge.
	compared plan.ComparedSpec
	// interest is what the last pass needed to know.
	interest cache.Interest
	// mending are the differences that are about to be mended, since when.
	correcting   string
	correctingAt time.Time
	// doubts is the generation whose values are yet to be held against what the
	// workspace offers, advised the one that was last.
	doubts, advised int64
	// wroteAt is when its status was last written.
	wroteAt time.Time
	// secrets is the hash of the secret values whose digest is secretsDigest.
	secrets       [sha256.Size]byte
	secretsDigest string
	// version is the resource version that this process wrote last, at versionAt.
	version   string
	versionAt time.Time
	// stale counts the passes in a row that met an object which is not the newest.
	stale int
	// creation is the creation under way as it was seen last, first at creationAt.
	creation   string
	creationAt time.Time
	// searchAt is since when the owner tag must be looked for, deletionAt since when
	// the object is being deleted; zero: it is not.
	searchAt, deletionAt time.Time
	// waiting is the step that could not be sent, and why.
	waiting waiting
	// corrections are those that could not be stored in the status; nil: all were.
	corrections []v1alpha1.Correction
}

func newAttemptStore() *attemptStore {
	return &attemptStore{objects: map[types.NamespacedName]map[types.UID]attemptState{}}
}

// of is what is attemptState of this very object, not of an earlier one of its name.
func (m *attemptStore) of(cluster *v1alpha1.DatabricksCluster) attemptState {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.objects[client.ObjectKeyFromObject(cluster)][cluster.UID]
}

func (m *attemptStore) keep(cluster *v1alpha1.DatabricksCluster, known attemptState) {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := client.ObjectKeyFromObject(cluster)
	if m.objects[key] == nil {
		m.objects[key] = map[types.UID]attemptState{}
	}
	m.objects[key][cluster.UID] = known
}

// forget drops all objects of a name.
func (m *attemptStore) forget(key types.NamespacedName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.objects, key)
}

// last is the last step that was carried out for the object.
func (m *attemptStore) last(cluster *v1alpha1.DatabricksCluster) plan.Attempt {
	return m.of(cluster).attempt
}

// recordAttempt stores a step, and counts how often in a row it failed.
func (m *attemptStore) recordAttempt(cluster *v1alpha1.DatabricksCluster, attempt plan.Attempt) {
	known := m.of(cluster)
	again := known.attempt.Step == attempt.Step && known.attempt.Generation == attempt.Generation
	if attempt.Failure != nil {
		attempt.Failures = 1
		if again {
			attempt.Failures += known.attempt.Failures
		}
	}
	known.attempt = attempt
	known.correcting = ""
	// What was judged before the step says nothing about what it came to.
	known.compared = plan.ComparedSpec{}
	m.keep(cluster, known)
}

// recordSideAttempt notes a step that holds up no other.
func (m *attemptStore) recordSideAttempt(cluster *v1alpha1.DatabricksCluster, attempt plan.Attempt) {
	known := m.of(cluster)
	if attempt.Failure != nil {
		attempt.Failures = known.sideAttempts[attempt.Step].Failures + 1
	}
	known.sideAttempts = maps.Clone(known.sideAttempts)
	if known.sideAttempts == nil {
		known.sideAttempts = map[plan.Step]plan.Attempt{}
	}
	known.sideAttempts[attempt.Step] = attempt
	m.keep(cluster, known)
}

// sideAttempts are the last attempts at steps that hold up no other.
func (m *attemptStore) sideAttempts(cluster *v1alpha1.DatabricksCluster) map[plan.Step]plan.Attempt {
	return m.of(cluster).sideAttempts
}

// pinned is what this process last did to the cluster's pin, and when; zero:
// nothing.
func (m *attemptStore) pinned(cluster *v1alpha1.DatabricksCluster) (pinned bool, at time.Time) {
	known := m.of(cluster).sideAttempts
	for _, step := range []plan.Step{plan.StepPin, plan.StepUnpin} {
		if attempt := known[step]; attempt.Failure == nil && attempt.At.After(at) {
			pinned, at = step == plan.StepPin, attempt.At
		}
	}
	return pinned, at
}

// generationSince is when this process first saw the object's specification as it
// is.
func (m *attemptStore) generationSince(cluster *v1alpha1.DatabricksCluster) time.Time {
	known := m.of(cluster)
	if known.generation != cluster.Generation || known.generationAt.IsZero() {
		known.generation, known.generationAt = cluster.Generation, time.Now()
		m.keep(cluster, known)
	}
	return known.generationAt
}

// secretsDigest returns drift.SecretsDigest, which is slow on purpose, and computes
// it only for other values than last time.
func (m *attemptStore) secretsDigest(cluster *v1alpha1.DatabricksCluster, secrets drift.Secrets, desired drift.Tree) string {
	if secrets == (drift.Secrets{}) {
		return ""
	}
	hash := sha256.Sum256(fmt.Appendf(nil, "%q", []string{secrets.DockerUsername, secrets.DockerPassword, secrets.LogAnalyticsPrimaryKey}))
	known := m.of(cluster)
	if known.secretsDigest == "" || known.secrets != hash {
		known.secrets, known.secretsDigest = hash, drift.SecretsDigest(desired, string(cluster.UID))
		m.keep(cluster, known)
	}
	return known.secretsDigest
}

// correctingSince is since when these differences are about to be mended.
func (m *attemptStore) correctingSince(cluster *v1alpha1.DatabricksCluster, differences []drift.Difference) time.Time {
	known, digest := m.of(cluster), plan.DiffDigest(differences)
	if known.correcting != digest {
		known.correcting, known.correctingAt = digest, time.Now()
		m.keep(cluster, known)
	}
	return known.correctingAt
}

// needsAdvice tells whether this generation is yet to be held against what the
// workspace offers: one that was evaluated before is not.
func (m *attemptStore) needsAdvice(cluster *v1alpha1.DatabricksCluster) bool {
	known := m.of(cluster)
	if cluster.Status.ObservedGeneration != cluster.Generation && known.doubts != cluster.Generation && known.advised != cluster.Generation {
		known.doubts = cluster.Generation
		m.keep(cluster, known)
	}
	return known.doubts == cluster.Generation
}

// advised notes that this generation was held against what the workspace offers.
func (m *attemptStore) advised(cluster *v1alpha1.DatabricksCluster) {
	known := m.of(cluster)
	known.doubts, known.advised = 0, cluster.Generation
	m.keep(cluster, known)
}

// cacheLag bounds how long a cache is waited for that does not show what this
// process wrote: behind a cluster that was restored from a backup it never will.
const cacheLag = 10 * time.Second

// recordVersion stores what became of the object by this process' own hand.
func (m *attemptStore) recordVersion(cluster *v1alpha1.DatabricksCluster) {
	known := m.of(cluster)
	known.version, known.versionAt = cluster.ResourceVersion, time.Now()
	m.keep(cluster, known)
}

// isAhead reports that this process has written a newer version of the object than
// the cache shows yet.
func (m *attemptStore) isAhead(cluster *v1alpha1.DatabricksCluster) bool {
	known := m.of(cluster)
	if known.version == "" || time.Since(known.versionAt) > cacheLag {
		return false
	}
	order, err := resourceversion.CompareResourceVersion(cluster.ResourceVersion, known.version)
	return err == nil && order < 0
}

// staleAgain counts a pass that met an object which is not the newest.
func (m *attemptStore) staleAgain(cluster *v1alpha1.DatabricksCluster) int {
	known := m.of(cluster)
	known.stale++
	m.keep(cluster, known)
	return known.stale
}

// staleEnded notes a pass that met no newer object.
func (m *attemptStore) staleEnded(cluster *v1alpha1.DatabricksCluster) {
	if known := m.of(cluster); known.stale != 0 {
		known.stale = 0
		m.keep(cluster, known)
	}
}

// creationSince is when this process first saw the creation that is under way, or
// of which the cluster has not been seen yet; zero: there is none.
func (m *attemptStore) creationSince(cluster *v1alpha1.DatabricksCluster) time.Time {
	creation := cluster.Status.Creation
	if creation == nil || creation.NotAfter == nil && creation.Token == "" {
		return time.Time{}
	}
	// The token is cleared when the id is stored; that is no other creation.
	this := fmt.Sprint(creation.Incarnation)
	if creation.Token != "" {
		this = fmt.Sprint(creation.Incarnation, "/", creation.Attempt)
	}
	known := m.of(cluster)
	same := known.creation == this || creation.Token == "" && strings.HasPrefix(known.creation, this+"/")
	if known.creationAt.IsZero() || !same {
		known.creation, known.creationAt = this, time.Now()
		m.keep(cluster, known)
	}
	return known.creationAt
}

// searchSince is since when the owner tag must be looked for.
func (m *attemptStore) searchSince(cluster *v1alpha1.DatabricksCluster) time.Time {
	known := m.of(cluster)
	if known.searchAt.IsZero() {
		known.searchAt = time.Now()
		m.keep(cluster, known)
	}
	return known.searchAt
}

// searchEnded notes that the owner tag need not be looked for.
func (m *attemptStore) searchEnded(cluster *v1alpha1.DatabricksCluster) {
	if known := m.of(cluster); !known.searchAt.IsZero() {
		known.searchAt = time.Time{}
		m.keep(cluster, known)
	}
}

// deletionSince is since when this process has seen that the object is being
// deleted.
func (m *attemptStore) deletionSince(cluster *v1alpha1.DatabricksCluster) time.Time {
	known := m.of(cluster)
	if known.deletionAt.IsZero() {
		known.deletionAt = time.Now()
		m.keep(cluster, known)
	}
	return known.deletionAt
}

// waiting is a step that could not be sent.
type waiting struct {
	step  plan.Step
	since time.Time
	// latest is what held it up last, without a change since latestSince, said what
	// the conditions say.
	latest, said plan.Hold
	latestSince  time.Time
}

// hold notes what holds a step up, and returns what the conditions say of it: nothing
// before the step has waited for a while, and another reason only once that has
// lasted as long, so that reasons which alternate write no status. reportAt is when
// there is something to say; zero: it is said.
func (m *attemptStore) hold(cluster *v1alpha1.DatabricksCluster, step plan.Step, hold plan.Hold, now time.Time) (said *plan.Hold, reportAt time.Time) {
	known := m.of(cluster)
	w := &known.waiting
	if w.step != step {
		*w = waiting{step: step, since: now}
	}
	if w.latest != hold {
		w.latest, w.latestSince = hold, now
	}
	switch isSaid := w.said != (plan.Hold{}); {
	case !isSaid && now.Before(w.since.Add(holdReported)):
		reportAt = w.since.Add(holdReported)
	case !isSaid, !now.Before(w.latestSince.Add(holdReported)):
		w.said = hold
	}
	m.keep(cluster, known)
	if reportAt.IsZero() {
		said = &w.said
	}
	return said, reportAt
}

// holdEnded notes that no step waits.
func (m *attemptStore) holdEnded(cluster *v1alpha1.DatabricksCluster) {
	if known := m.of(cluster); known.waiting.step != plan.StepNone {
		known.waiting = waiting{}
		m.keep(cluster, known)
	}
}

// corrections are those counted so far: those that could not be stored, else those
// of the status.
func (m *attemptStore) corrections(cluster *v1alpha1.DatabricksCluster) []v1alpha1.Correction {
	if unstored := m.of(cluster).corrections; unstored != nil {
		return unstored
	}
	return cluster.Status.Corrections
}

// keepCorrections notes corrections that could not be stored in the status; nil:
// they were.
func (m *attemptStore) keepCorrections(cluster *v1alpha1.DatabricksCluster, unstored []v1alpha1.Correction) {
	known := m.of(cluster)
	if known.corrections == nil && unstored == nil {
		return
	}
	known.corrections = unstored
	m.keep(cluster, known)
}

// wrote notes that the object's status was written now.
func (m *attemptStore) wrote(cluster *v1alpha1.DatabricksCluster) {
	known := m.of(cluster)
	known.wroteAt = time.Now()
	m.keep(cluster, known)
}

// wroteWithin reports that the status was written within the last while.
func (m *attemptStore) wroteWithin(cluster *v1alpha1.DatabricksCluster, while time.Duration) bool {
	return time.Since(m.of(cluster).wroteAt) < while
}

// readAfter is how new a look at the cluster must be to be believed, because of
// what was tried: zero where any look will do.
func (m *attemptStore) readAfter(cluster *v1alpha1.DatabricksCluster) time.Time {
	attempt := m.of(cluster).attempt
	if attempt.Failure == nil {
		return attempt.At
	}
	switch attempt.Failure.Class {
	case databricks.ClassBusy, databricks.ClassMissing, databricks.ClassAmbiguous:
		return attempt.At
	default:
		return time.Time{}
	}
}

// comparedSpec is what a GET's spec was last used to judge.
func (m *attemptStore) comparedSpec(cluster *v1alpha1.DatabricksCluster) plan.ComparedSpec {
	return m.of(cluster).compared
}

// recordComparison records a comparison.
func (m *attemptStore) recordComparison(cluster *v1alpha1.DatabricksCluster, found plan.Comparison) {
	known := m.of(cluster)
	known.compared = found.ComparedSpec
	if len(found.Differences) == 0 {
		// The change took effect; whatever undoes it is corrected again.
		known.attempt.Differences = ""
	}
	m.keep(cluster, known)
}

// interest is what the last pass needed to know beside the cluster itself.
func (m *attemptStore) interest(cluster *v1alpha1.DatabricksCluster) cache.Interest {
	known := m.of(cluster)
	if known.interest.ClusterID != clusterID(cluster) {
		return cache.Interest{Search: known.interest.Search}
	}
	return known.interest
}

func (m *attemptStore) keepInterest(cluster *v1alpha1.DatabricksCluster, interest cache.Interest) {
	known := m.of(cluster)
	known.interest = interest
	m.keep(cluster, known)
}

// readAgain requests a GET of the cluster, whatever is known of it.
func (m *attemptStore) readAgain(cluster *v1alpha1.DatabricksCluster) {
	known := m.of(cluster)
	known.correcting, known.correctingAt = v1alpha1.RequestReconcile, time.Now()
	m.keep(cluster, known)
}

// baseAfter is the time after which the spec must have been read that a correction is
// based on; zero: none is under way.
func (m *attemptStore) baseAfter(cluster *v1alpha1.DatabricksCluster) time.Time {
	known := m.of(cluster)
	if known.correcting == "" {
		return time.Time{}
	}
	return known.correctingAt
}
