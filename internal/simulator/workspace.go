package simulator

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// workspace is the state of one workspace. Server.mutex guards it.
type workspace struct {
	server     *Server
	name       string
	id         int64
	cloud      Cloud
	mode       string // data_security_mode of clusters that name none
	principals []*principal
	groups     []string
	extra      params // the extra fields of new clusters; see extras.go
	policies   []*policy
	pools      []*pool

	byID   map[string]*cluster // all clusters ever created
	byName []*cluster          // clusters that are not permanently deleted, sorted by name and id
	tokens map[string]string   // idempotency token to cluster id
	serial int64               // counts created objects, for distinct ids and times
}

type principal struct {
	Principal
	number int64
}

func (s *Server) addWorkspace(w Workspace) *workspace {
	id := w.ID
	if id == 0 {
		id = 7000000000000001 + int64(len(s.workspaces))
	}
	name := w.Name
	if name == "" {
		name = fmt.Sprintf("workspace-%d", len(s.workspaces)+1)
	}
	made := &workspace{
		server: s, name: name, id: id, cloud: w.Cloud,
		mode: w.DefaultDataSecurityMode, groups: w.Groups,
		byID: map[string]*cluster{}, tokens: map[string]string{},
	}
	extra, err := decodeExtra(w.ExtraSpec)
	if err != nil {
		panic("simulator: " + err.Error()) // invalid test options
	}
	made.extra = extra
	for _, p := range w.Principals {
		made.addPrincipal(p)
	}
	for _, p := range w.Policies {
		if _, err := made.addPolicy(p); err != nil {
			panic("simulator: " + err.Error()) // invalid test options
		}
	}
	for _, p := range w.Pools {
		made.addPool(p)
	}
	s.workspaces = append(s.workspaces, made)
	return made
}

func (w *workspace) addPrincipal(p Principal) {
	number := 4000000000001 + int64(len(w.principals)) + 1000*int64(len(w.server.workspaces))
	made := &principal{Principal: p, number: number}
	made.ID = cmp.Or(made.ID, fmt.Sprint(number))
	made.DisplayName = cmp.Or(made.DisplayName, made.UserName)
	if at := slices.IndexFunc(w.principals, func(known *principal) bool { return known.UserName == p.UserName }); at >= 0 {
		made.number, made.ID = w.principals[at].number, cmp.Or(p.ID, w.principals[at].ID)
		*w.principals[at] = *made
		made = w.principals[at]
	} else {
		w.principals = append(w.principals, made)
	}
	for _, token := range p.Tokens {
		w.server.addCredential(Token{Value: token}, w, made)
	}
	for _, token := range p.ScopedTokens {
		w.server.addCredential(token, w, made)
	}
}

func (w *workspace) principal(userName string) *principal {
	for _, p := range w.principals {
		if p.UserName == userName {
			return p
		}
	}
	return nil
}

// add inserts a cluster into byName, which is sorted so that a page of a list
// costs only its own size.
func (w *workspace) add(c *cluster) {
	at, _ := slices.BinarySearchFunc(w.byName, c, compareByName)
	w.byName = slices.Insert(w.byName, at, c)
	w.byID[c.id] = c
}

// remove removes a cluster from byName; byID keeps it.
func (w *workspace) remove(c *cluster) {
	if at, found := slices.BinarySearchFunc(w.byName, c, compareByName); found {
		w.byName = slices.Delete(w.byName, at, at+1)
	}
}

// configure sets another specification and keeps byName sorted.
func (w *workspace) configure(c *cluster, spec, settings params) {
	w.remove(c)
	c.configure(spec, settings)
	if c.resizedTo != nil {
		setSize(c.settings, c.resizedTo)
	}
	w.add(c)
}

func compareByName(a, b *cluster) int {
	return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(a.id, b.id))
}

// newClusterID returns an id in the form of real ones: MMDD-HHMMSS and eight
// letters.
func (w *workspace) newClusterID() string {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789"
	stamp := w.server.now().UTC().Format("0102-150405")
	for {
		suffix := make([]byte, 8)
		for i := range suffix {
			suffix[i] = letters[w.server.random.IntN(len(letters))]
		}
		id := stamp + "-" + string(suffix)
		if _, taken := w.byID[id]; !taken {
			return id
		}
	}
}
