package cache

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/databricks/databricks-sdk-go/service/iam"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/ratelimit"
)

// clusterCountInterval is how often the clusters of a policy are counted again if the count
// is only shown.
const clusterCountInterval = 30 * time.Minute

// ItemList is one list of a collection. It is deeply immutable. It is nil if there is none,
// which the methods accept.
type ItemList struct {
	of   *databricks.Collection
	byID map[string]*databricks.Item
	// byNameKey has the items by Collection.NameKey of their names.
	byNameKey map[string][]*databricks.Item
	// names are the names by id. Consecutive lists with the same names share them.
	names *itemNames
}

type itemNames struct{ byID map[string]string }

// NewItemList returns a list of items, for callers that decide on a list without a
// workspace to read it from, such as tests and the model checker.
func NewItemList(of *databricks.Collection, items []databricks.Item) *ItemList {
	return newItemList(of, items, nil)
}

// newItemList returns a list. It shares the unchanged items and names of the list before,
// which may be nil, so that there is one copy of each, and a change is a different pointer.
func newItemList(of *databricks.Collection, items []databricks.Item, before *ItemList) *ItemList {
	l := &ItemList{
		of: of, byID: make(map[string]*databricks.Item, len(items)), byNameKey: make(map[string][]*databricks.Item, len(items)),
		names: &itemNames{byID: make(map[string]string, len(items))},
	}
	for _, item := range items {
		if l.byID[item.ID] != nil {
			continue
		}
		kept := before.pointer(item.ID)
		if kept == nil || !sameItem(*kept, item) {
			kept = &item
		}
		l.byID[item.ID] = kept
		l.byNameKey[of.NameKey(item.Name)] = append(l.byNameKey[of.NameKey(item.Name)], kept)
		l.names.byID[item.ID] = kept.Name
	}
	if before != nil && maps.Equal(before.names.byID, l.names.byID) {
		l.names = before.names
	}
	return l
}

func (l *ItemList) pointer(id string) *databricks.Item {
	if l == nil {
		return nil
	}
	return l.byID[id]
}

// ByID returns the item with an id, and whether the list has one.
func (l *ItemList) ByID(id string) (item databricks.Item, exists bool) {
	found := l.pointer(id)
	if found == nil {
		return databricks.Item{}, false
	}
	return *found, true
}

// ByName returns the items with exactly this name.
func (l *ItemList) ByName(name string) []databricks.Item {
	return slices.DeleteFunc(l.BySameName(name), func(item databricks.Item) bool { return item.Name != name })
}

// BySameName returns the items with this name as Collection.NameKey compares names. They
// prevent another item from having it.
func (l *ItemList) BySameName(name string) []databricks.Item {
	if l == nil {
		return nil
	}
	var items []databricks.Item
	for _, item := range l.byNameKey[l.of.NameKey(name)] {
		items = append(items, *item)
	}
	return items
}

// Containing returns the items whose JSON contains a text, sorted by id.
func (l *ItemList) Containing(text string) []databricks.Item {
	if l == nil {
		return nil
	}
	var items []databricks.Item
	for _, item := range l.byID {
		if bytes.Contains(item.JSON, []byte(text)) {
			items = append(items, *item)
		}
	}
	slices.SortFunc(items, func(a, b databricks.Item) int { return strings.Compare(a.ID, b.ID) })
	return items
}

// sameFor reports whether two lists have the same items with the id and with the name of a
// subject.
func (l *ItemList) sameFor(other *ItemList, s subject) bool {
	key := l.of.NameKey(s.name)
	return l.byID[s.id] == other.byID[s.id] && slices.Equal(l.byNameKey[key], other.byNameKey[key])
}

// sameItem reports whether two reads returned the same item. The order of the members of an
// object has no meaning.
func sameItem(a, b databricks.Item) bool {
	if a.ID != b.ID || a.Name != b.Name {
		return false
	}
	if bytes.Equal(a.JSON, b.JSON) {
		return true
	}
	was, wasValid := decoded(a.JSON)
	is, isValid := decoded(b.JSON)
	return wasValid && isValid && reflect.DeepEqual(was, is)
}

func decoded(text json.RawMessage) (value any, valid bool) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	err := decoder.Decode(&value)
	return value, err == nil
}

// itemEndpoints are the endpoints of one collection.
type itemEndpoints struct {
	of *databricks.Collection
	// list returns all items, and names their names, which list has.
	list, names endpoint
	// get returns one item, and permissions its access control list.
	get, permissions endpoint
}

var itemEndpointsOf = newItemEndpoints(databricks.Collections())

func newItemEndpoints(collections []*databricks.Collection) map[*databricks.Collection]*itemEndpoints {
	all := map[*databricks.Collection]*itemEndpoints{}
	for _, of := range collections {
		endpoints := &itemEndpoints{of: of, list: listOfItems(of), get: getOfItem(of), permissions: permissionsOfItem(of)}
		endpoints.names = namesOfItems(&endpoints.list)
		all[of] = endpoints
	}
	return all
}

// listOfItems returns the endpoint of all items. One list serves all objects and the catalog.
func listOfItems(of *databricks.Collection) endpoint {
	return endpoint{
		name:     of.ListEndpoint(),
		every:    map[Cadence]func(Options) time.Duration{WhileChanging: fast, WhileQuiet: slow},
		priority: ratelimit.PriorityFastList,
		read: func(ctx context.Context, api databricks.Reader, _ string, known previous) (any, bool, error) {
			items, err := api.Items(ctx, of)
			if err != nil {
				return nil, false, err
			}
			before, _ := known.answer.(*ItemList)
			return newItemList(of, items, before), true, nil
		},
		same: func(before, after any, of subject) bool {
			was, _ := before.(*ItemList)
			is, _ := after.(*ItemList)
			return was.sameFor(is, of)
		},
	}
}

// namesOfItems returns the endpoint of the names of items, by id, as a part of the catalog.
func namesOfItems(list *endpoint) endpoint {
	return endpoint{
		source:   list,
		every:    catalogEvery,
		priority: ratelimit.PrioritySlowList,
		part: func(answer any) any {
			items, _ := answer.(*ItemList)
			return items.names.byID
		},
		same: func(before, after any, _ subject) bool {
			was, _ := before.(*ItemList)
			is, _ := after.(*ItemList)
			return was.names == is.names
		},
	}
}

// getOfItem returns the endpoint of one item. A list lacks an item that the principal may
// not use or that is too new, so only a GET confirms that an item is missing.
func getOfItem(of *databricks.Collection) endpoint {
	return endpoint{
		name:     of.GetEndpoint(),
		every:    map[Cadence]func(Options) time.Duration{WhileChanging: fast, WhileQuiet: slow},
		priority: ratelimit.PriorityFastList,
		spread:   true,
		read: func(ctx context.Context, api databricks.Reader, id string, _ previous) (any, bool, error) {
			item, err := api.Item(ctx, of, id)
			return ItemState{Presence: Present, Item: item}, true, err
		},
		missing: func() any { return ItemState{Presence: Missing} },
		same: func(before, after any, _ subject) bool {
			was, _ := before.(ItemState)
			is, _ := after.(ItemState)
			return was.Presence == is.Presence && sameItem(was.Item, is.Item)
		},
	}
}

func permissionsOfItem(of *databricks.Collection) endpoint {
	return endpoint{
		name: of.PermissionsEndpoint(),
		every: map[Cadence]func(Options) time.Duration{
			WhileChanging: permissionsEvery, WhileQuiet: permissionsEvery,
		},
		priority: ratelimit.PriorityDeep,
		spread:   true,
		read: func(ctx context.Context, api databricks.Reader, id string, _ previous) (any, bool, error) {
			entries, err := api.ItemPermissions(ctx, of, id)
			return entries, true, err
		},
		same: func(before, after any, _ subject) bool { return reflect.DeepEqual(before, after) },
	}
}

// clusterCountEndpoint counts the clusters that use a policy.
var clusterCountEndpoint = endpoint{
	name: endpointList + " (policy)",
	every: map[Cadence]func(Options) time.Duration{
		WhileChanging: fast, WhileQuiet: always(clusterCountInterval),
	},
	priority: ratelimit.PrioritySlowList,
	spread:   true,
	read: func(ctx context.Context, api databricks.Reader, policyID string, _ previous) (any, bool, error) {
		count, err := api.CountClusters(ctx, policyID)
		return count, true, err
	},
	same: func(before, after any, _ subject) bool { return before == after },
}

// lookUpItems replaces the lookups of items that an object needs and returns their answers.
func (c *cache) lookUpItems(object Object, interest ItemsInterest) (view ItemsView) {
	for of, endpoints := range itemEndpointsOf {
		if of == interest.Collection {
			view = endpoints.lookUp(c, object, interest)
		} else {
			endpoints.lookUp(c, object, ItemsInterest{})
		}
	}
	clusters := interest.Clusters
	if interest.Collection != databricks.ClusterPolicies || interest.ID == "" {
		clusters = Lookup{}
	}
	view.Clusters = lookAt[databricks.ClusterCount](c, object, &clusterCountEndpoint, interest.ID, need{Lookup: clusters})
	return view
}

func (e *itemEndpoints) lookUp(c *cache, object Object, interest ItemsInterest) ItemsView {
	get, permissions := interest.Get, interest.Permissions
	if interest.ID == "" {
		get, permissions = Lookup{}, Lookup{}
	}
	return ItemsView{
		List:        lookAt[*ItemList](c, object, &e.list, "", need{subject{interest.ID, interest.Name}, interest.List}),
		Item:        lookAt[ItemState](c, object, &e.get, interest.ID, need{Lookup: get}),
		Permissions: lookAt[[]iam.AccessControlResponse](c, object, &e.permissions, interest.ID, need{Lookup: permissions}),
	}
}
