package simulator

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Types for the JSON of the control API where it differs from the Go types:
// durations.

// wireDuration is a duration as a string such as "1h30m".
type wireDuration time.Duration

// MarshalText formats the duration like time.Duration.
func (d wireDuration) MarshalText() ([]byte, error) {
	return []byte(time.Duration(d).String()), nil
}

// UnmarshalText accepts what time.ParseDuration accepts.
func (d *wireDuration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a duration such as 1h30m", text)
	}
	*d = wireDuration(parsed)
	return nil
}

type faultWire struct {
	Fault
	Delay wireDuration `json:"delay,omitempty"`
}

type behaviourWire struct {
	Behaviour
	OAuthTokenLife wireDuration `json:"oauth_token_life"`
	UnseenByGet    wireDuration `json:"unseen_by_get"`
	UnseenByList   wireDuration `json:"unseen_by_list"`
}

func newBehaviourWire(b Behaviour) behaviourWire {
	return behaviourWire{
		Behaviour: b, OAuthTokenLife: wireDuration(b.OAuthTokenLife),
		UnseenByGet: wireDuration(b.UnseenByGet), UnseenByList: wireDuration(b.UnseenByList),
	}
}

func (w behaviourWire) behaviour() Behaviour {
	b := w.Behaviour
	b.OAuthTokenLife = time.Duration(w.OAuthTokenLife)
	b.UnseenByGet, b.UnseenByList = time.Duration(w.UnseenByGet), time.Duration(w.UnseenByList)
	return b
}

type timingsWire struct {
	Launch         wireDuration `json:"launch"`
	PoolLaunch     wireDuration `json:"pool_launch"`
	Restart        wireDuration `json:"restart"`
	Resize         wireDuration `json:"resize"`
	Terminate      wireDuration `json:"terminate"`
	LibraryInstall wireDuration `json:"library_install"`
	Retention      wireDuration `json:"retention"`
}

func newTimingsWire(t Timings) timingsWire {
	return timingsWire{
		Launch: wireDuration(t.Launch), PoolLaunch: wireDuration(t.PoolLaunch), Restart: wireDuration(t.Restart),
		Resize: wireDuration(t.Resize), Terminate: wireDuration(t.Terminate),
		LibraryInstall: wireDuration(t.LibraryInstall), Retention: wireDuration(t.Retention),
	}
}

func (w timingsWire) timings() Timings {
	return Timings{
		Launch: time.Duration(w.Launch), PoolLaunch: time.Duration(w.PoolLaunch), Restart: time.Duration(w.Restart),
		Resize: time.Duration(w.Resize), Terminate: time.Duration(w.Terminate),
		LibraryInstall: time.Duration(w.LibraryInstall), Retention: time.Duration(w.Retention),
	}
}

// BehaviourNames returns the JSON names of Behaviour's switches.
func BehaviourNames() []string {
	var names []string
	for _, of := range []reflect.Type{reflect.TypeFor[Behaviour](), reflect.TypeFor[behaviourWire]()} {
		for field := range of.Fields() {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if name != "" && name != "-" {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}
