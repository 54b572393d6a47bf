package databricks

import (
	"context"
	"errors"
	"regexp"
)

// workspaceID is the form of a valid X-Databricks-Org-Id header.
var workspaceID = regexp.MustCompile(`^\d{1,20}$`)

// Me implements Reader.
func (c *Client) Me(ctx context.Context) (Principal, error) {
	r := request{path: "/api/2.0/preview/scim/v2/Me", limit: maxResponseBytes}
	var me Principal
	err := c.get(ctx, r, func(got response) (err error) {
		me, err = parsePrincipal(got)
		return err
	})
	return me, err
}

func parsePrincipal(got response) (Principal, error) {
	var user struct {
		ID       string `json:"id"`
		UserName string `json:"userName"`
	}
	if err := decode(got.body, &user); err != nil {
		return Principal{}, err
	}
	me := Principal{ID: user.ID, UserName: user.UserName}
	if me.ID == "" || me.UserName == "" {
		return Principal{}, errors.New("it has no id or no userName")
	}
	if id := got.header.Get("X-Databricks-Org-Id"); workspaceID.MatchString(id) {
		me.WorkspaceID = id
	}
	return me, nil
}
