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
	policies   []*policy
	pools      []*Pool

	byID   map[string]*cluster // everything ever made
	roster []*cluster          // what is not permanently deleted, by name and id
	tokens map[string]string   // idempotency token to cluster id
	serial int64               // of things made here, for ids and times apart
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
	for _, p := range w.Principals {
		made.addPrincipal(p)
	}
	for _, p := range w.Policies {
		made.addPolicy(p)
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

// enrol puts a cluster into the roster, which stays sorted so that a page of a
// list costs its own size.
func (w *workspace) enrol(c *cluster) {
	at, _ := slices.BinarySearchFunc(w.roster, c, byName)
	w.roster = slices.Insert(w.roster, at, c)
	w.byID[c.id] = c
}

// strike takes a cluster out of the roster; byID remembers it.
func (w *workspace) strike(c *cluster) {
	if at, found := slices.BinarySearchFunc(w.roster, c, byName); found {
		w.roster = slices.Delete(w.roster, at, at+1)
	}
}

// configure gives an enrolled cluster another specification; the roster stays
// in order.
func (w *workspace) configure(c *cluster, spec, settings params) {
	w.strike(c)
	c.configure(spec, settings)
	w.enrol(c)
}

func byName(a, b *cluster) int {
	return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(a.id, b.id))
}

// newClusterID has the form of a real one: MMDD-HHMMSS and eight letters.
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
