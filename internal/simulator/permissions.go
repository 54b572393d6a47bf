package simulator

import (
	"cmp"
	"slices"
	"strings"
)

// level is a permission on an object; each includes the lower ones.
type level int

const (
	noPermission level = iota
	canAttach
	canRestart
	canManage
)

// canUse is the only level of a policy.
const canUse = canAttach

// securable is a kind of object that has an access control list.
type securable struct {
	// objectType, and path with the id of the object, are its name in answers.
	objectType, path string
	// inheritedFrom is the object from which admins inherit the highest level.
	inheritedFrom string
	// levels are ordered, the highest first.
	levels []levelName
}

type levelName struct {
	level       level
	name        string
	description string
}

var (
	clusterAccess = &securable{"cluster", "/clusters/", "/clusters/", []levelName{
		{canManage, "CAN_MANAGE", "Can Manage permission on cluster"},
		{canRestart, "CAN_RESTART", "Can Restart permission on cluster"},
		{canAttach, "CAN_ATTACH_TO", "Can Attach To permission on cluster"},
	}}
	policyAccess = &securable{"cluster-policy", "/cluster-policies/", "/cluster-policies/cluster-policies", []levelName{
		{canUse, "CAN_USE", "Can use the policy"},
	}}
	poolAccess = &securable{"instance-pool", "/instance-pools/", "/instance-pools/", []levelName{
		{canManage, "CAN_MANAGE", "Can Manage permission on pool"},
		{canAttach, "CAN_ATTACH_TO", "Can Attach To permission on pool"},
	}}
)

func (s *securable) levelByName(name string) level {
	for _, l := range s.levels {
		if l.name == name {
			return l.level
		}
	}
	return noPermission
}

func (s *securable) nameOf(wanted level) string {
	for _, known := range s.levels {
		if known.level == wanted {
			return known.name
		}
	}
	return ""
}

// word returns the level as error messages spell it.
func (l level) word() string {
	return map[level]string{canAttach: "Attach", canRestart: "Restart", canManage: "Manage"}[l]
}

// grant is one direct entry of an access control list.
type grant struct {
	kind  string // user_name, group_name or service_principal_name
	name  string
	level level
}

var principalKinds = []string{"user_name", "group_name", "service_principal_name"}

// grantKind returns the kind of the principal in permissions, inferred from its
// name.
func (p *principal) grantKind() string {
	if strings.Contains(p.UserName, "@") {
		return "user_name"
	}
	return "service_principal_name"
}

func (p *principal) isIn(group string) bool {
	return group == "users" || slices.Contains(p.Groups, group)
}

// accessList is the access control list of one object.
type accessList struct {
	kind   *securable
	id     string
	grants []grant
}

// usableByAll returns the list of an object that all users may use.
func usableByAll(kind *securable, id string) accessList {
	return accessList{kind: kind, id: id, grants: []grant{{kind: "group_name", name: "users", level: canUse}}}
}

func (a *accessList) levelOf(p *principal) level {
	if !p.NotAdmin {
		return canManage
	}
	held := noPermission
	for _, g := range a.grants {
		if (g.kind == p.grantKind() && g.name == p.UserName) || (g.kind == "group_name" && p.isIn(g.name)) {
			held = max(held, g.level)
		}
	}
	return held
}

func (a *accessList) shown() params {
	entries := make([]any, 0, len(a.grants)+1)
	for _, g := range a.grants {
		entries = append(entries, params{
			g.kind: g.name, "display_name": g.name,
			"all_permissions": []any{params{"permission_level": a.kind.nameOf(g.level), "inherited": false}},
		})
	}
	entries = append(entries, params{
		"group_name": "admins",
		"all_permissions": []any{params{
			"permission_level": a.kind.levels[0].name, "inherited": true, "inherited_from_object": []any{a.kind.inheritedFrom},
		}},
	})
	return params{"object_id": a.kind.path + a.id, "object_type": a.kind.objectType, "access_control_list": entries}
}

// accessOf returns the list of the request's object, if the caller has at least the given
// permission on it.
type accessOf func(c *call, needed level) (*accessList, *apiError)

func clusterAccessOf(c *call, needed level) (*accessList, *apiError) {
	found, r := c.cluster(needed)
	if r != nil {
		return nil, r
	}
	return &found.access, nil
}

func (of accessOf) get(c *call) (any, *apiError) {
	found, r := of(c, canAttach)
	if r != nil {
		return nil, r
	}
	return found.shown(), nil
}

// set replaces all direct grants.
func (of accessOf) set(c *call) (any, *apiError) {
	found, r := of(c, canManage)
	if r != nil {
		return nil, r
	}
	grants, r := c.requestedGrants(found.kind)
	if r != nil {
		return nil, r
	}
	found.grants = grants
	return found.shown(), nil
}

// update adds grants and replaces those of the same principals.
func (of accessOf) update(c *call) (any, *apiError) {
	found, r := of(c, canManage)
	if r != nil {
		return nil, r
	}
	grants, r := c.requestedGrants(found.kind)
	if r != nil {
		return nil, r
	}
	for _, g := range grants {
		same := func(old grant) bool { return old.kind == g.kind && old.name == g.name }
		if at := slices.IndexFunc(found.grants, same); at >= 0 {
			found.grants[at] = g
		} else {
			found.grants = append(found.grants, g)
		}
	}
	return found.shown(), nil
}

func (of accessOf) levels(c *call) (any, *apiError) {
	found, r := of(c, canAttach)
	if r != nil {
		return nil, r
	}
	shown := make([]any, 0, len(found.kind.levels))
	for _, l := range found.kind.levels {
		shown = append(shown, params{"permission_level": l.name, "description": l.description})
	}
	return params{"permission_levels": shown}, nil
}

func (c *call) requestedGrants(kind *securable) ([]grant, *apiError) {
	entries, _ := c.params["access_control_list"].([]any)
	grants := make([]grant, 0, len(entries))
	for _, entry := range entries {
		fields, _ := entry.(params)
		var named []grant
		for _, kind := range principalKinds {
			if name := textOf(fields, kind); name != "" {
				named = append(named, grant{kind: kind, name: name})
			}
		}
		if len(named) != 1 {
			return nil, invalid("Exactly one of %s must be specified", strings.Join(principalKinds, ", "))
		}
		requested := textOf(fields, "permission_level")
		named[0].level = kind.levelByName(requested)
		if named[0].level == noPermission {
			return nil, invalid("'%s' is not a valid permission level of a %s", cmp.Or(requested, "(none)"), kind.objectType)
		}
		if !c.workspace.exists(named[0].kind, named[0].name) {
			return nil, c.unknownPrincipal(named[0].kind, named[0].name)
		}
		grants = append(grants, named[0])
	}
	return grants, nil
}
