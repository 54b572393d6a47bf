package databricks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/databricks/databricks-sdk-go/service/iam"
)

// Collection is a kind of resource that the workspace lists in one request, with all its
// members. The collections are ClusterPolicies and InstancePools, which are compared by
// their addresses.
type Collection struct {
	// path is the prefix of the paths of the calls.
	path string
	// idKey and nameKey are the members of an item, and listKey is the member of the answer
	// of a list.
	idKey, nameKey, listKey string
	// permissions is the type of the object in the Permissions API.
	permissions string
	// missing is the beginning of the message about an unknown id, before the id.
	missing string
	// foldsNames is set if the workspace compares names without case.
	foldsNames bool
}

var (
	// ClusterPolicies are the cluster policies of a workspace. A list has only those that
	// the principal may use.
	ClusterPolicies = &Collection{
		path: "/api/2.0/policies/clusters/", idKey: "policy_id", nameKey: "name", listKey: "policies",
		permissions: "cluster-policies", missing: "Can't find a cluster policy with id: ", foldsNames: true,
	}
	// InstancePools are the instance pools of a workspace.
	InstancePools = &Collection{
		path: "/api/2.0/instance-pools/", idKey: "instance_pool_id", nameKey: "instance_pool_name", listKey: "instance_pools",
		permissions: "instance-pools", missing: "Can't find an instance pool with id: ",
	}
)

// Collections returns all collections.
func Collections() []*Collection { return []*Collection{ClusterPolicies, InstancePools} }

// ListEndpoint returns the endpoint of CollectionReader.Items, as in Call.Endpoint.
func (c *Collection) ListEndpoint() string { return c.on("list").name() }

// GetEndpoint returns the endpoint of CollectionReader.Item.
func (c *Collection) GetEndpoint() string { return c.on("get").name() }

// PermissionsEndpoint returns the endpoint of the permissions of an item, for reads and
// writes.
func (c *Collection) PermissionsEndpoint() string { return "permissions/" + c.permissions }

// CreateEndpoint returns the endpoint of CollectionWriter.CreateItem.
func (c *Collection) CreateEndpoint() string { return c.on("create").name() }

// EditEndpoint returns the endpoint of CollectionWriter.EditItem.
func (c *Collection) EditEndpoint() string { return c.on("edit").name() }

// DeleteEndpoint returns the endpoint of CollectionWriter.DeleteItem.
func (c *Collection) DeleteEndpoint() string { return c.on("delete").name() }

// NameKey returns the form of a name in which the workspace compares names: two items
// cannot have names with the same key.
func (c *Collection) NameKey(name string) string {
	if c.foldsNames {
		return strings.ToLower(name)
	}
	return name
}

// on returns a request for an operation on the collection.
func (c *Collection) on(operation string) request {
	return request{path: c.path + operation, collection: c}
}

// onPermissions returns a request for the permissions of an item.
func (c *Collection) onPermissions(id string) request {
	return request{
		path: "/api/2.0/permissions/" + c.permissions + "/" + url.PathEscape(id), endpoint: c.PermissionsEndpoint(),
		collection: c, itemID: id,
	}
}

// Item is one resource of a collection.
type Item struct {
	ID, Name string
	// JSON is the whole object in compact form, with its number literals and the members
	// that the SDK does not know.
	JSON json.RawMessage
}

// ClusterCount is the number of clusters on one page of a list.
type ClusterCount struct {
	Clusters int
	// More is set if there are further pages.
	More bool
}

const (
	// maxItems limits the items of a collection.
	maxItems = 10_000
	// maxItemIDBytes limits an id that is sent.
	maxItemIDBytes = 256
)

// Items implements Reader.
func (c *Client) Items(ctx context.Context, of *Collection) ([]Item, error) {
	r := of.on("list")
	r.limit = maxPageBytes
	var items []Item
	err := c.get(ctx, r, func(got response) (err error) {
		items, err = of.parseList(got.body)
		return err
	})
	return items, err
}

// parseList returns the items of the answer of a list. An invalid item fails the list,
// because an item that a list lacks counts as absent.
func (c *Collection) parseList(body []byte) ([]Item, error) {
	if _, items := countValues(body); items > maxItems {
		return nil, fmt.Errorf("the list has more than %d items: %w", maxItems, errTooLarge)
	}
	members, err := rawMembers(body)
	if err != nil {
		return nil, err
	}
	// The key is absent if there are no items.
	var listed []json.RawMessage
	if raw := members[c.listKey]; raw != nil {
		if err := json.Unmarshal(raw, &listed); err != nil {
			return nil, fmt.Errorf("%s: is not an array", c.listKey)
		}
	}
	items := make([]Item, 0, len(listed))
	for i, raw := range listed {
		item, exists, err := c.parseItem(raw)
		switch {
		case err != nil:
			return nil, fmt.Errorf("%s[%d]: %w", c.listKey, i, err)
		case !exists:
		case item.ID == "":
			return nil, fmt.Errorf("%s[%d] has no %s", c.listKey, i, c.idKey)
		default:
			items = append(items, item)
		}
	}
	return items, nil
}

// parseItem returns an item, and whether it exists: a deleted pool may be shown without a
// name or in the state DELETED.
func (c *Collection) parseItem(raw []byte) (item Item, exists bool, err error) {
	members, err := rawMembers(raw)
	if err != nil {
		return Item{}, false, err
	}
	var state string
	for key, text := range map[string]*string{c.idKey: &item.ID, c.nameKey: &item.Name, "state": &state} {
		if *text, err = memberText(members, key); err != nil {
			return Item{}, false, err
		}
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil {
		return Item{}, false, err
	}
	item.JSON = bytes.Clone(compact.Bytes())
	return item, item.Name != "" && state != "DELETED", nil
}

// Item implements Reader.
func (c *Client) Item(ctx context.Context, of *Collection, id string) (Item, error) {
	r := of.on("get")
	r.itemID, r.itemOnly, r.limit = id, true, maxPageBytes
	r.query = url.Values{of.idKey: {id}}
	if err := r.requireItemID(); err != nil {
		return Item{}, err
	}
	var item Item
	err := c.get(ctx, r, func(got response) error {
		parsed, exists, err := of.parseItem(got.body)
		switch {
		case err != nil:
			return err
		case parsed.ID != id:
			return &Error{Class: ClassHost, Message: "the workspace returned another object than the requested one"}
		case !exists:
			return &Error{Class: ClassMissing, Message: "the object was deleted"}
		}
		item = parsed
		return nil
	})
	return item, err
}

// ItemPermissions implements Reader.
func (c *Client) ItemPermissions(ctx context.Context, of *Collection, id string) ([]iam.AccessControlResponse, error) {
	r := of.onPermissions(id)
	r.itemOnly, r.limit = true, maxResponseBytes
	if err := r.requireItemID(); err != nil {
		return nil, err
	}
	var found iam.ObjectPermissions
	err := c.get(ctx, r, func(got response) error { return decode(got.body, &found) })
	if err != nil {
		return nil, err
	}
	return found.AccessControlList, nil
}

// CountClusters implements Reader.
func (c *Client) CountClusters(ctx context.Context, policyID string) (ClusterCount, error) {
	r := request{path: clustersPath + "list", collection: ClusterPolicies, itemID: policyID}
	if err := r.requireItemID(); err != nil {
		// Without an id, the list would have all clusters.
		return ClusterCount{}, err
	}
	page, err := c.List(ctx, ListQuery{PageSize: maxPageSize, PolicyID: policyID})
	if err != nil {
		return ClusterCount{}, err
	}
	return ClusterCount{Clusters: len(page.Clusters), More: page.NextPageToken != ""}, nil
}

// CreateItem implements Writer.
func (c *Client) CreateItem(ctx context.Context, of *Collection, body json.RawMessage) (string, error) {
	r := of.on("create")
	r.allocates, r.names = true, true
	if _, err := rawMembers(body); err != nil {
		return "", r.notSent("the body of the create is not a JSON object")
	}
	var id string
	err := c.post(ctx, r, body, func(got response) error {
		members, err := rawMembers(got.body)
		if err != nil {
			return err
		}
		if id, err = memberText(members, of.idKey); err == nil && id == "" {
			err = errors.New("it has no " + of.idKey)
		}
		return err
	})
	if err != nil {
		return "", err
	}
	return id, nil
}

// EditItem implements Writer.
func (c *Client) EditItem(ctx context.Context, of *Collection, body json.RawMessage) error {
	r := of.on("edit")
	r.allocates, r.names = true, true
	members, err := rawMembers(body)
	if err != nil {
		return r.notSent("the body of the edit is not a JSON object")
	}
	if r.itemID, err = memberText(members, of.idKey); err != nil {
		return r.notSent("the body of the edit has an invalid " + of.idKey)
	}
	return c.changeItem(ctx, r, body)
}

// DeleteItem implements Writer.
func (c *Client) DeleteItem(ctx context.Context, of *Collection, id string) error {
	r := of.on("delete")
	r.itemID, r.itemOnly = id, true
	return c.changeItem(ctx, r, map[string]string{of.idKey: id})
}

// SetItemPermissions implements Writer.
func (c *Client) SetItemPermissions(ctx context.Context, of *Collection, id string, permissions []iam.AccessControlRequest) error {
	r := of.onPermissions(id)
	r.method = http.MethodPut
	if err := r.requireItemID(); err != nil {
		return err
	}
	// The SDK's type omits an empty list, which removes all permissions.
	body := struct {
		AccessControlList []iam.AccessControlRequest `json:"access_control_list"`
	}{append([]iam.AccessControlRequest{}, permissions...)}
	return c.write(ctx, r, body, nil)
}

// changeItem sends a write to one item, of which the response has no content.
func (c *Client) changeItem(ctx context.Context, r request, body any) error {
	if err := r.requireItemID(); err != nil {
		return err
	}
	return c.post(ctx, r, body, nil)
}

// requireItemID fails if the request has no id of an item, or one that would change the
// path or the meaning of the request.
func (r request) requireItemID() error {
	switch {
	case r.itemID == "":
		return r.notSent("there is no " + r.collection.idKey)
	case len(r.itemID) > maxItemIDBytes, slices.Contains([]string{".", ".."}, r.itemID), strings.ContainsFunc(r.itemID, isBlank):
		return r.notSent("the " + r.collection.idKey + " is invalid")
	}
	return nil
}

// rawMembers returns the members of one JSON object, still encoded.
func rawMembers(body []byte) (map[string]json.RawMessage, error) {
	if values, _ := countValues(body); values > maxValues {
		return nil, fmt.Errorf("it has more than %d values: %w", maxValues, errTooLarge)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return nil, fmt.Errorf("it is not a JSON object: %w", err)
	}
	if members == nil {
		return nil, errors.New("it is null")
	}
	return members, nil
}

// memberText returns a member that is a string, or a number as text. It is empty if the
// member is absent or null.
func memberText(members map[string]json.RawMessage, key string) (string, error) {
	raw := string(members[key])
	if raw == "" || raw == "null" {
		return "", nil
	}
	text := scalar(members[key])
	if text == "" && raw != `""` {
		return "", fmt.Errorf("%s: is not a text", key)
	}
	return text, nil
}
