package connection_test

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/connection"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
)

func TestOneReadServesAllObjectsOfASource(t *testing.T) {
	inVirtualTime(t, func(t *testing.T, r *rig) {
		r.putSecret(tenant, defaultSecret, host, "dapi")
		release := make(chan struct{})
		r.change(func(k *kubernetes) { k.held = release })
		users := objects(100)
		answers := make([]*connection.Blocked, len(users))
		var running sync.WaitGroup
		running.Go(func() { _, answers[0] = r.resolve(t, users[0]) })
		synctest.Wait()
		for i := range users[1:] {
			running.Go(func() { _, answers[i+1] = r.resolve(t, users[i+1]) })
		}
		synctest.Wait()
		for _, blocked := range answers[1:] {
			r.Expect(blocked).To(HaveField("Pending", true), "a worker is not held while another one reads")
			r.Expect(blocked.RetryAt).To(Equal(time.Now().Add(10*time.Second)), "when the read ends at the latest")
			r.Expect(blocked.Message).To(Equal(`reading Secret "databricks-credentials"`))
		}
		close(release)
		running.Wait()
		r.Expect(answers[0]).To(BeNil())
		r.Expect(r.events()).To(HaveLen(99))
		for _, user := range users {
			r.works(t, user)
		}
		r.Expect(r.readsOf(tenant, defaultSecret)).To(HaveLen(1))
		after(10 * time.Minute)
		r.Expect(r.readsOf(tenant, defaultSecret)).To(HaveLen(3))
		r.Expect(r.events()).To(BeEmpty(), "they no longer wait")
	})
}

func TestKubernetesErrors(t *testing.T) {
	for name, failure := range map[string]struct {
		err    error
		reason string
	}{
		"403":       {forbidden(), "Forbidden"},
		"500":       {apierrors.NewInternalError(errCanary), "InternalError"},
		"no answer": {errCanary, "no answer from the Kubernetes API"},
	} {
		t.Run("a failed first read is repeated with backoff for all objects together: "+name, func(t *testing.T) {
			inVirtualTime(t, func(t *testing.T, r *rig) {
				r.change(func(k *kubernetes) { k.fail = failure.err })
				begin := time.Now()
				users := objects(100)
				for _, user := range users {
					blocked := r.blocked(t, user, v1alpha1.ReasonRetryingAfterError)
					r.Expect(blocked.Stalled).To(BeFalse())
					r.Expect(blocked.Message).To(Equal(`reading Secret "databricks-credentials": ` + failure.reason))
				}
				r.Expect(r.readsOf(tenant, defaultSecret)).To(HaveLen(1))
				after(2 * time.Minute)
				r.Expect(seconds(begin, r.readsOf(tenant, defaultSecret))).To(Equal([]float64{0, 1, 3, 7, 15, 31, 61, 91}))
				r.Expect(r.events()).To(BeEmpty(), "the same failure needs no reconcile")
				after(2 * time.Hour)
				r.Expect(r.readsOf(tenant, defaultSecret)).To(HaveLen(8+240), "every 30 s")

				r.putSecret(tenant, defaultSecret, host, "dapi")
				r.change(func(k *kubernetes) { k.fail = nil })
				after(30 * time.Second)
				r.Expect(r.events()).To(HaveLen(100))
				r.works(t, users[0])
			})
		})
	}

	for name, failure := range map[string]error{"403": forbidden(), "no answer": errCanary} {
		t.Run("a failed first read enqueues the objects that wait for it: "+name, func(t *testing.T) {
			inVirtualTime(t, func(t *testing.T, r *rig) {
				release := make(chan struct{})
				r.change(func(k *kubernetes) { k.held, k.fail = release, failure })
				var running sync.WaitGroup
				running.Go(func() { _, _ = r.resolve(t, object("reads")) })
				synctest.Wait()
				r.Expect(r.blocked(t, object("waits"), v1alpha1.ReasonCredentialsNotReady).Pending).To(BeTrue())
				close(release)
				running.Wait()
				r.Expect(r.events()).To(Equal([]string{"waits"}))
				r.blocked(t, object("waits"), v1alpha1.ReasonRetryingAfterError)
			})
		})
	}

	t.Run("another failure enqueues the objects, whose messages have its reason", func(t *testing.T) {
		inVirtualTime(t, func(t *testing.T, r *rig) {
			r.change(func(k *kubernetes) { k.fail = forbidden() })
			r.blocked(t, object("a"), v1alpha1.ReasonRetryingAfterError)
			r.change(func(k *kubernetes) { k.fail = errCanary })
			after(30 * time.Second)
			r.Expect(r.events()).To(Equal([]string{"a"}))
			blocked := r.blocked(t, object("a"), v1alpha1.ReasonRetryingAfterError)
			r.Expect(blocked.Message).To(HaveSuffix(": no answer from the Kubernetes API"))
		})
	})

	t.Run("a failed later read changes nothing and is repeated with backoff", func(t *testing.T) {
		inVirtualTime(t, func(t *testing.T, r *rig) {
			r.putSecret(tenant, defaultSecret, host, "dapi")
			r.works(t, object("a"))
			r.change(func(k *kubernetes) { k.fail = forbidden() })
			after(5 * time.Minute)
			r.works(t, object("a"))
			reads := len(r.readsOf(tenant, defaultSecret))
			r.Expect(reads).To(BeNumerically("~", 6, 1))
			r.change(func(k *kubernetes) { k.fail = nil })
			after(3 * time.Minute)
			r.Expect(r.readsOf(tenant, defaultSecret)).To(HaveLen(reads + 1))
			r.Expect(r.events()).To(BeEmpty())
		})
	})

	t.Run("a read that does not end times out", func(t *testing.T) {
		inVirtualTime(t, func(t *testing.T, r *rig) {
			r.change(func(k *kubernetes) { k.held = make(chan struct{}) })
			begin := time.Now()
			r.blocked(t, object("a"), v1alpha1.ReasonRetryingAfterError)
			r.Expect(time.Since(begin)).To(Equal(10 * time.Second))
		})
	})
}

// seconds returns times as seconds since begin.
func seconds(begin time.Time, times []time.Time) []float64 {
	all := make([]float64, len(times))
	for i, at := range times {
		all[i] = at.Sub(begin).Seconds()
	}
	return all
}

func TestHowOftenASourceIsRead(t *testing.T) {
	for _, tc := range []struct {
		name  string
		mark  func(*connection.Resolver)
		reads int // within a minute
	}{
		{"untested", func(*connection.Resolver) {}, 0},
		{"throttled", func(r *connection.Resolver) { r.MarkRejected(object("a"), databricks.ClassThrottled) }, 0},
		{"rejected", func(r *connection.Resolver) { r.MarkRejected(object("a"), databricks.ClassUnauthenticated) }, 8},
		{"without the rights", func(r *connection.Resolver) { r.MarkRejected(object("a"), databricks.ClassForbidden) }, 8},
		{"for a host that is no workspace", func(r *connection.Resolver) { r.MarkRejected(object("a"), databricks.ClassHost) }, 8},
		{"for a host that does not answer", func(r *connection.Resolver) { r.MarkRejected(object("a"), databricks.ClassTransient) }, 4},
		{"accepted, for a host that no longer answers", func(r *connection.Resolver) {
			r.MarkAccepted(object("a"))
			r.MarkRejected(object("a"), databricks.ClassTransient)
		}, 0},
		{"rejected once and accepted again", func(r *connection.Resolver) {
			r.MarkRejected(object("a"), databricks.ClassUnauthenticated)
			r.MarkAccepted(object("a"))
		}, 0},
		{"rejected for one object and accepted for another", func(r *connection.Resolver) {
			r.MarkRejected(object("a"), databricks.ClassHost)
			r.MarkAccepted(object("b"))
		}, 8},
		{"rejected for an object that is gone", func(r *connection.Resolver) {
			r.MarkRejected(object("a"), databricks.ClassHost)
			r.Release(object("a"))
		}, 0},
		{"rejected for an object that had the name before", func(r *connection.Resolver) {
			former := object("a")
			former.UID = "uid-former"
			r.MarkRejected(former, databricks.ClassUnauthenticated)
		}, 0},
	} {
		t.Run("[case-57] "+tc.name, func(t *testing.T) {
			inVirtualTime(t, func(t *testing.T, r *rig) {
				r.putSecret(tenant, defaultSecret, host, "dapi")
				r.works(t, object("a"))
				r.works(t, object("b"))
				tc.mark(r.resolver)
				after(time.Minute + time.Second)
				r.Expect(r.readsOf(tenant, defaultSecret)).To(HaveLen(1 + tc.reads))
			})
		})
	}
}

func TestRotation(t *testing.T) {
	t.Run("[case-57] a renewed Secret is used within 30 s if the old one is rejected, and within 5 min otherwise", func(t *testing.T) {
		inVirtualTime(t, func(t *testing.T, r *rig) {
			r.putSecret(tenant, defaultSecret, host, "dapi-1")
			before, _ := r.resolve(t, object("a"))
			r.resolver.MarkAccepted(object("a"))
			after(time.Minute)
			r.putSecret(tenant, defaultSecret, host, "dapi-2")
			after(4 * time.Minute)
			r.Expect(r.events()).To(Equal([]string{"a"}))
			second, _ := r.resolve(t, object("a"))
			r.Expect(second.Config.Fingerprint()).NotTo(Equal(before.Config.Fingerprint()))

			r.putSecret(tenant, defaultSecret, host, "dapi-3")
			r.resolver.MarkRejected(object("a"), databricks.ClassUnauthenticated)
			after(30 * time.Second)
			r.Expect(r.events()).To(Equal([]string{"a"}))
			third, _ := r.resolve(t, object("a"))
			r.Expect(third.Config.Fingerprint()).NotTo(Equal(second.Config.Fingerprint()))
			reads := len(r.readsOf(tenant, defaultSecret))
			after(time.Minute)
			r.Expect(r.readsOf(tenant, defaultSecret)).To(HaveLen(reads), "the new credential is not the rejected one")
		})
	})

	t.Run("a Secret with another defect enqueues its objects", func(t *testing.T) {
		inVirtualTime(t, func(t *testing.T, r *rig) {
			r.putSecret(tenant, defaultSecret, host, "")
			before := r.blocked(t, object("a"), v1alpha1.ReasonCredentialsInvalid)
			r.putSecret(tenant, defaultSecret, "", "dapi")
			after(30 * time.Second)
			r.Expect(r.events()).To(Equal([]string{"a"}))
			r.Expect(r.blocked(t, object("a"), v1alpha1.ReasonCredentialsInvalid).Message).NotTo(Equal(before.Message))
		})
	})

	t.Run("a Secret that was written with the same content enqueues nothing", func(t *testing.T) {
		inVirtualTime(t, func(t *testing.T, r *rig) {
			r.putSecret(tenant, defaultSecret, host, "dapi")
			r.works(t, object("a"))
			r.putSecret(tenant, defaultSecret, host, "dapi\n")
			after(5 * time.Minute)
			r.Expect(r.readsOf(tenant, defaultSecret)).To(HaveLen(2))
			r.Expect(r.events()).To(BeEmpty())
		})
	})
}

func TestACorrectedSecret(t *testing.T) {
	for name, breakIt := range map[string]func(*testing.T, *rig){
		"missing": func(t *testing.T, r *rig) { r.blocked(t, object("old"), v1alpha1.ReasonCredentialsNotReady) },
		"incomplete": func(t *testing.T, r *rig) {
			r.putSecret(tenant, defaultSecret, host, "")
			r.blocked(t, object("old"), v1alpha1.ReasonCredentialsInvalid)
		},
		"for a wrong host": func(t *testing.T, r *rig) {
			r.putSecret(tenant, defaultSecret, otherHost, "dapi")
			_, _ = r.resolve(t, object("old"))
			r.resolver.MarkRejected(object("old"), databricks.ClassTransient)
		},
		"rejected": func(t *testing.T, r *rig) {
			r.putSecret(tenant, defaultSecret, host, "dapi-wrong")
			r.works(t, object("old"))
			r.resolver.MarkRejected(object("old"), databricks.ClassUnauthenticated)
		},
		"unreadable": func(t *testing.T, r *rig) {
			r.change(func(k *kubernetes) { k.fail = forbidden() })
			r.blocked(t, object("old"), v1alpha1.ReasonRetryingAfterError)
		},
	} {
		correct := func(r *rig) {
			r.change(func(k *kubernetes) { k.fail = nil })
			r.putSecret(tenant, defaultSecret, host, "dapi-right")
		}
		t.Run("[case-85] is noticed within 30 s: "+name, func(t *testing.T) {
			inVirtualTime(t, func(t *testing.T, r *rig) {
				breakIt(t, r)
				after(10 * time.Minute)
				r.events()
				correct(r)
				after(30 * time.Second)
				r.Expect(r.events()).To(Equal([]string{"old"}))
				r.works(t, object("old"))
			})
		})
		t.Run("[case-85] is noticed at once by a new object: "+name, func(t *testing.T) {
			inVirtualTime(t, func(t *testing.T, r *rig) {
				breakIt(t, r)
				after(2500 * time.Millisecond)
				r.events()
				correct(r)
				before, _ := r.resolve(t, object("new"))
				r.works(t, object("new"))
				r.Expect(before.Config.Host()).To(Equal(host))
				r.Expect(r.events()).To(Equal([]string{"old"}))
			})
		})
		t.Run("[case-85] a stream of new objects causes one read per second at most: "+name, func(t *testing.T) {
			inVirtualTime(t, func(t *testing.T, r *rig) {
				breakIt(t, r)
				reads := len(r.readsOf(tenant, defaultSecret))
				for _, user := range objects(100) {
					_, _ = r.resolve(t, user)
					after(50 * time.Millisecond)
				}
				r.Expect(r.readsOf(tenant, defaultSecret)).To(HaveLen(reads + 5))
			})
		})
	}
}

func TestAMissingSecret(t *testing.T) {
	t.Run("[case-58] is waited for, then stalls", func(t *testing.T) {
		inVirtualTime(t, func(t *testing.T, r *rig) {
			begin := time.Now()
			blocked := r.blocked(t, object("a"), v1alpha1.ReasonCredentialsNotReady)
			r.Expect(blocked.Stalled).To(BeFalse())
			r.Expect(blocked.RetryAt).To(Equal(begin.Add(5 * time.Minute)))
			r.Expect(blocked.Message).To(And(ContainSubstring(defaultSecret), ContainSubstring(tenant)))
			r.Expect(blocked.Remedy).To(ContainSubstring("DATABRICKS_TOKEN"))
			after(5 * time.Minute)
			stalled := r.blocked(t, object("a"), v1alpha1.ReasonCredentialsInvalid)
			r.Expect(stalled.Stalled).To(BeTrue())
			r.Expect(stalled.RetryAt).To(BeZero())
			r.Expect(r.events()).To(BeEmpty())
		})
	})

	t.Run("an object that was deleted and created again does not inherit how long it was missing", func(t *testing.T) {
		inVirtualTime(t, func(t *testing.T, r *rig) {
			r.blocked(t, object("a"), v1alpha1.ReasonCredentialsNotReady)
			r.blocked(t, object("b"), v1alpha1.ReasonCredentialsNotReady)
			after(6 * time.Minute)
			r.blocked(t, object("a"), v1alpha1.ReasonCredentialsInvalid)
			again := object("a")
			again.UID = "uid-again"
			r.blocked(t, again, v1alpha1.ReasonCredentialsNotReady)
			r.blocked(t, object("b"), v1alpha1.ReasonCredentialsInvalid)
		})
	})
}

func TestBounds(t *testing.T) {
	t.Run("a huge value is refused by its key", func(t *testing.T) {
		inVirtualTime(t, func(t *testing.T, r *rig) {
			r.putSecret(tenant, defaultSecret, host, strings.Repeat("canary", 4<<10))
			blocked := r.blocked(t, object("a"), v1alpha1.ReasonCredentialsInvalid)
			r.Expect(blocked.Message).To(And(ContainSubstring("DATABRICKS_TOKEN"), Not(ContainSubstring("canary"))))
		})
	})

	t.Run("a source without users is forgotten, and so is its credential", func(t *testing.T) {
		inVirtualTime(t, func(t *testing.T, r *rig) {
			r.putSecret(tenant, defaultSecret, host, "dapi")
			r.works(t, object("a"))
			r.works(t, object("b"))
			r.resolver.Release(connection.User{Kind: v1alpha1.ClusterKind, Namespace: tenant, Name: "a"})
			after(5 * time.Minute)
			r.Expect(r.readsOf(tenant, defaultSecret)).To(HaveLen(2))
			r.resolver.Release(object("b"))
			after(time.Hour)
			r.Expect(r.readsOf(tenant, defaultSecret)).To(HaveLen(2))
		})
	})

	t.Run("an object uses one source at a time, and kinds do not mix", func(t *testing.T) {
		inVirtualTime(t, func(t *testing.T, r *rig) {
			r.putSecret(tenant, defaultSecret, host, "dapi")
			r.putSecret(tenant, "other", host, "dapi")
			policy := object("a")
			policy.Kind = "DatabricksClusterPolicy"
			r.works(t, object("a"))
			r.works(t, policy)
			request := connection.Request{User: object("a"), Connection: &v1alpha1.Connection{SecretRef: &v1alpha1.LocalSecretReference{Name: "other"}}}
			_, blocked := r.resolver.Resolve(t.Context(), request)
			r.Expect(blocked).To(BeNil())
			r.resolver.Release(policy)
			after(5 * time.Minute)
			r.Expect(r.readsOf(tenant, defaultSecret)).To(HaveLen(1))
			r.Expect(r.readsOf(tenant, "other")).To(HaveLen(2))
		})
	})
}

func TestServiceAccounts(t *testing.T) {
	identity := &v1alpha1.Connection{WorkloadIdentity: &v1alpha1.WorkloadIdentity{Host: host, ClientID: "app", ServiceAccountName: "etl"}}
	account := types.NamespacedName{Namespace: tenant, Name: "etl"}
	request := connection.Request{User: object("a"), Connection: identity}

	t.Run("[case-58] a created account is noticed and then not read again", func(t *testing.T) {
		inVirtualTime(t, func(t *testing.T, r *rig) {
			_, blocked := r.resolver.Resolve(t.Context(), request)
			r.Expect(blocked).To(HaveField("Reason", v1alpha1.ReasonCredentialsNotReady))
			r.Expect(blocked.Message).To(Equal(`service account "etl" does not exist in namespace team-a`))
			r.Expect(blocked.Remedy).To(Equal("create it, or name another"))
			r.change(func(k *kubernetes) { k.accounts[account] = true })
			after(30 * time.Second)
			r.Expect(r.events()).To(Equal([]string{"a"}))
			credential, blocked := r.resolver.Resolve(t.Context(), request)
			r.Expect(blocked).To(BeNil())
			r.Expect(credential.Config.AuthType()).To(Equal("workload-identity"))
			r.Expect(credential.Source).To(Equal(connection.Source{Kind: "ServiceAccount", Namespace: tenant, Name: "etl"}))
			tokens := len(r.readsOf(tenant, "etl"))
			after(time.Hour)
			r.resolver.MarkRejected(object("a"), databricks.ClassUnauthenticated)
			after(time.Hour)
			r.Expect(r.readsOf(tenant, "etl")).To(HaveLen(tokens))
		})
	})

	for audience, allowed := range map[string]bool{
		"":                                     true,
		host:                                   true,
		host + "/oidc/v1/token":                true,
		"databricks":                           true,
		"a1b2c3d4-0000-1111-2222-a1b2c3d4e5f6": true,
		otherHost:                              false,
		host + ".example.com":                  false,
		"https://127.0.0.1:6443/":              false,
		"https://oidc.eks.eu-west-1.amazonaws.com/id/A": false,
		"Databricks": false,
	} {
		t.Run("[S4] [S16] the audience "+audience, func(t *testing.T) {
			inVirtualTime(t, func(t *testing.T, r *rig) {
				r.change(func(k *kubernetes) { k.accounts[account] = true })
				declared := *identity.WorkloadIdentity
				declared.Audience = audience
				_, blocked := r.resolver.Resolve(t.Context(), connection.Request{
					User: object("a"), Connection: &v1alpha1.Connection{WorkloadIdentity: &declared},
				})
				if allowed {
					r.Expect(blocked).To(BeNil())
					return
				}
				r.Expect(blocked).To(HaveField("Reason", v1alpha1.ReasonCredentialsInvalid))
				r.Expect(blocked.Message).To(And(
					ContainSubstring("workloadIdentity.audience %q is not an address of %s", audience, host), ContainSubstring("--allowed-token-audiences")))
				r.Expect(r.readsOf(tenant, "etl")).To(BeEmpty(), "no token is requested")
			})
		})
	}

	t.Run("one token is requested for many objects of an account", func(t *testing.T) {
		inVirtualTime(t, func(t *testing.T, r *rig) {
			r.change(func(k *kubernetes) { k.accounts[account] = true })
			for _, user := range objects(20) {
				_, blocked := r.resolver.Resolve(t.Context(), connection.Request{User: user, Connection: identity})
				r.Expect(blocked).To(BeNil())
				after(time.Minute)
			}
			r.Expect(r.readsOf(tenant, "etl")).To(HaveLen(1))
		})
	})

	t.Run("a host that is no URL is refused", func(t *testing.T) {
		inVirtualTime(t, func(t *testing.T, r *rig) {
			declared := *identity.WorkloadIdentity
			declared.Host = "http://one.cloud.databricks.com"
			credential, blocked := r.resolver.Resolve(t.Context(), connection.Request{
				User: object("a"), Connection: &v1alpha1.Connection{WorkloadIdentity: &declared},
			})
			r.Expect(blocked).To(And(HaveField("Reason", v1alpha1.ReasonCredentialsInvalid), HaveField("Stalled", true)))
			r.Expect(blocked.Message).To(HavePrefix("workload identity: the host "))
			r.Expect(credential.Config).To(Equal(databricks.Config{}))
			r.Expect(r.readsOf(tenant, "etl")).To(BeEmpty(), "no token is requested")
		})
	})

	for name, failure := range map[string]error{
		"invalid":     apierrors.NewInvalid(schema.GroupKind{Kind: "TokenRequest"}, "etl", nil),
		"bad request": apierrors.NewBadRequest("canary"),
	} {
		t.Run("an audience that Kubernetes refuses: "+name, func(t *testing.T) {
			inVirtualTime(t, func(t *testing.T, r *rig) {
				r.change(func(k *kubernetes) { k.accounts[account], k.fail = true, failure })
				_, blocked := r.resolver.Resolve(t.Context(), request)
				r.Expect(blocked).To(And(HaveField("Reason", v1alpha1.ReasonCredentialsInvalid), HaveField("Stalled", true)))
				r.Expect(blocked.Message).To(Equal(`Kubernetes issues no token of service account "etl" for this audience`))
			})
		})
	}

	t.Run("[S2] an operator without the right to request tokens names the remedy", func(t *testing.T) {
		inVirtualTime(t, func(t *testing.T, r *rig) {
			r.change(func(k *kubernetes) { k.accounts[account], k.fail = true, forbidden() })
			_, blocked := r.resolver.Resolve(t.Context(), request)
			r.Expect(blocked).To(And(HaveField("Reason", v1alpha1.ReasonPermissionDenied), HaveField("Stalled", true)))
			r.Expect(blocked.Message).To(And(ContainSubstring("databricks-operator-token-requester"), ContainSubstring(tenant)))
			r.change(func(k *kubernetes) { k.fail = nil })
			after(30 * time.Second)
			_, blocked = r.resolver.Resolve(t.Context(), request)
			r.Expect(blocked).To(BeNil())
		})
	})

	t.Run("accounts of two namespaces have two credentials", func(t *testing.T) {
		inVirtualTime(t, func(t *testing.T, r *rig) {
			r.change(func(k *kubernetes) {
				k.accounts[account], k.accounts[types.NamespacedName{Namespace: "team-b", Name: "etl"}] = true, true
			})
			elsewhere := request
			elsewhere.User.Namespace = "team-b"
			a, _ := r.resolver.Resolve(t.Context(), request)
			b, _ := r.resolver.Resolve(t.Context(), elsewhere)
			r.Expect(a.Config.Fingerprint()).NotTo(Equal(b.Config.Fingerprint()))
		})
	})
}

// exchange is a workspace that exchanges tokens of service accounts.
type exchange struct {
	// mu guards subjects, the tokens that were exchanged.
	mu       sync.Mutex
	subjects []string
}

func (e *exchange) RoundTrip(request *http.Request) (*http.Response, error) {
	body := `{"cluster_id":"c1"}`
	switch request.URL.Path {
	case "/oidc/.well-known/oauth-authorization-server":
		body = `{"token_endpoint":"` + host + `/oidc/v1/token"}`
	case "/oidc/v1/token":
		if err := request.ParseForm(); err != nil {
			return nil, err
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		e.subjects = append(e.subjects, request.PostForm.Get("subject_token"))
		body = `{"access_token":"exchanged","token_type":"bearer","expires_in":60}`
	default:
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}, nil
}

// client returns a client of the workspace.
func (e *exchange) client(r *rig, config databricks.Config) *databricks.Client {
	allowed, err := databricks.ParseAllowList(databricks.DefaultAllowedHosts())
	r.Expect(err).NotTo(HaveOccurred())
	client, err := databricks.New(config, databricks.Options{Transport: databricks.NewTransportOver(allowed, e)})
	r.Expect(err).NotTo(HaveOccurred())
	return client
}

func TestTokensOfAServiceAccountAreRequestedForEachExchange(t *testing.T) {
	account := types.NamespacedName{Namespace: tenant, Name: "etl"}
	request := connection.Request{User: object("a"), Connection: &v1alpha1.Connection{WorkloadIdentity: &v1alpha1.WorkloadIdentity{
		Host: host, ClientID: "app", ServiceAccountName: "etl", Audience: host,
	}}}
	for name, row := range map[string]struct {
		change func(*rig)
		class  databricks.Class
		// message is a part of the message of the error.
		message string
		// reason is that of the object, which is enqueued; empty if it is not.
		reason string
	}{
		"[S2] the right to request them is withdrawn": {
			func(r *rig) { r.change(func(k *kubernetes) { k.fail = forbidden() }) },
			databricks.ClassUnauthenticated, "bind the ClusterRole databricks-operator-token-requester", v1alpha1.ReasonPermissionDenied,
		},
		"[case-58] the account is deleted": {
			func(r *rig) { r.change(func(k *kubernetes) { delete(k.accounts, account) }) },
			databricks.ClassUnauthenticated, `service account "etl" does not exist in namespace team-a; create it, or name another`, v1alpha1.ReasonCredentialsNotReady,
		},
		"the account is deleted after its last object": {
			func(r *rig) {
				r.resolver.Release(object("a"))
				r.change(func(k *kubernetes) { delete(k.accounts, account) })
			},
			databricks.ClassUnauthenticated, `service account "etl" does not exist in namespace team-a`, "",
		},
		"Kubernetes does not answer": {
			func(r *rig) { r.change(func(k *kubernetes) { k.fail = errCanary }) },
			databricks.ClassTransient, "there is no token of system:serviceaccount:team-a:etl to exchange", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, func(t *testing.T, r *rig) {
				r.change(func(k *kubernetes) { k.accounts[account] = true })
				credential, blocked := r.resolver.Resolve(t.Context(), request)
				r.Expect(blocked).To(BeNil())
				workspace := &exchange{}
				client := workspace.client(r, credential.Config)
				_, err := client.Get(t.Context(), "c1")
				r.Expect(err).NotTo(HaveOccurred())
				r.Expect(workspace.subjects).To(Equal([]string{"token-for-" + host}))
				after(2 * time.Minute)

				row.change(r)
				_, err = client.Get(t.Context(), "c1")
				r.Expect(databricks.ClassOf(err)).To(Equal(row.class))
				r.Expect(err).To(MatchError(ContainSubstring(row.message)))
				after(time.Second)
				if row.reason == "" {
					r.Expect(r.events()).To(BeEmpty())
					r.Expect(r.readsOf(tenant, "etl")).To(HaveLen(3), "the account is not read again")
					return
				}
				r.Expect(r.events()).To(Equal([]string{"a"}))
				_, blocked = r.resolver.Resolve(t.Context(), request)
				r.Expect(blocked).To(HaveField("Reason", row.reason))
			})
		})
	}
}

func TestACredentialForAHostThatTheNamespaceMayNotUse(t *testing.T) {
	inVirtualTime(t, func(t *testing.T, r *rig) {
		user := object("etl")
		user.Namespace = "narrowed-a"
		r.putSecret(user.Namespace, defaultSecret, host, "dapi")
		credential, blocked := r.resolve(t, user)
		r.Expect(blocked).To(And(HaveField("Reason", v1alpha1.ReasonCredentialsInvalid), HaveField("Stalled", true)))
		r.Expect(blocked.Message).To(And(ContainSubstring(host), ContainSubstring("--namespace-hosts")))
		r.Expect(credential.Config).To(Equal(databricks.Config{}), "the credential could be used")

		r.change(func(k *kubernetes) { k.accounts[secretName(user.Namespace, "etl")] = true })
		declared := &v1alpha1.Connection{WorkloadIdentity: &v1alpha1.WorkloadIdentity{Host: host, ServiceAccountName: "etl"}}
		_, blocked = r.resolver.Resolve(t.Context(), connection.Request{User: user, Connection: declared})
		r.Expect(blocked).To(HaveField("Stalled", true))

		r.putSecret(user.Namespace, defaultSecret, "https://narrow.cloud.databricks.com", "dapi")
		after(5 * time.Minute)
		_, blocked = r.resolve(t, user)
		r.Expect(blocked).To(BeNil())

		r.share("shared", names(user.Namespace))
		r.putSecret(operatorNamespace, "shared", host, "dapi")
		_, blocked = r.resolver.Resolve(t.Context(), connection.Request{User: user, Connection: references("shared")})
		r.Expect(blocked).To(BeNil(), "a DatabricksWorkspace names its namespaces itself")
	})
}
