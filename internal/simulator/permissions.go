package simulator

import (
	"cmp"
	"slices"
	"strings"
)

// level is a permission on a cluster; each includes the lower ones.
type level int

const (
	noPermission level = iota
	canAttach
	canRestart
	canManage
)

var levels = []struct {
	level       level
	name        string
	description string
}{
	{canManage, "CAN_MANAGE", "Can Manage permission on cluster"},
	{canRestart, "CAN_RESTART", "Can Restart permission on cluster"},
	{canAttach, "CAN_ATTACH_TO", "Can Attach To permission on cluster"},
}

func levelByName(name string) level {
	for _, l := range levels {
		if l.name == name {
			return l.level
		}
	}
	return noPermission
}

func (l level) name() string {
	for _, known := range levels {
		if known.level == l {
			return known.name
		}
	}
	return ""
}

// word returns the level as error messages spell it.
func (l level) word() string {
	return map[level]string{canAttach: "Attach", canRestart: "Restart", canManage: "Manage"}[l]
}

// grant is one direct entry of a cluster's access control list.
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

func (c *cluster) levelOf(p *principal) level {
	if !p.NotAdmin {
		return canManage
	}
	held := noPermission
	for _, g := range c.grants {
		if (g.kind == p.grantKind() && g.name == p.UserName) || (g.kind == "group_name" && p.isIn(g.name)) {
			held = max(held, g.level)
		}
	}
	return held
}

func (c *call) getPermissions() (any, *apiError) {
	found, r := c.cluster(canAttach)
	if r != nil {
		return nil, r
	}
	return found.permissions(), nil
}

func (c *cluster) permissions() params {
	entries := make([]any, 0, len(c.grants)+1)
	for _, g := range c.grants {
		entries = append(entries, params{
			g.kind: g.name, "display_name": g.name,
			"all_permissions": []any{params{"permission_level": g.level.name(), "inherited": false}},
		})
	}
	entries = append(entries, params{
		"group_name": "admins",
		"all_permissions": []any{params{
			"permission_level": "CAN_MANAGE", "inherited": true, "inherited_from_object": []any{"/clusters/"},
		}},
	})
	return params{"object_id": "/clusters/" + c.id, "object_type": "cluster", "access_control_list": entries}
}

// setPermissions replaces all direct grants.
func (c *call) setPermissions() (any, *apiError) {
	found, r := c.cluster(canManage)
	if r != nil {
		return nil, r
	}
	grants, r := c.requestedGrants()
	if r != nil {
		return nil, r
	}
	found.grants = grants
	return found.permissions(), nil
}

// updatePermissions adds grants and replaces those of the same principals.
func (c *call) updatePermissions() (any, *apiError) {
	found, r := c.cluster(canManage)
	if r != nil {
		return nil, r
	}
	grants, r := c.requestedGrants()
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
	return found.permissions(), nil
}

func (c *call) requestedGrants() ([]grant, *apiError) {
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
		named[0].level = levelByName(requested)
		if named[0].level == noPermission {
			return nil, invalid("'%s' is not a valid permission level of a cluster", cmp.Or(requested, "(none)"))
		}
		if !c.workspace.exists(named[0].kind, named[0].name) {
			return nil, c.unknownPrincipal(named[0].kind, named[0].name)
		}
		grants = append(grants, named[0])
	}
	return grants, nil
}

func (c *call) permissionLevels() (any, *apiError) {
	if _, r := c.cluster(canAttach); r != nil {
		return nil, r
	}
	shown := make([]any, 0, len(levels))
	for _, l := range levels {
		shown = append(shown, params{"permission_level": l.name, "description": l.description})
	}
	return params{"permission_levels": shown}, nil
}
