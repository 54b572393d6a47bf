package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

// objectChange is one change of an object, with its row in kubectl's table.
type objectChange struct {
	kind    watch.EventType
	columns []metav1.TableColumnDefinition
	cells   []any
	cluster v1alpha1.DatabricksCluster
}

// follow calls handle for every object and each of its changes, until ctx ends
// or the watch breaks. It calls opened when the watch is established. The API
// server renders the rows, so they are those of kubectl.
func follow(ctx context.Context, config *rest.Config, opened func(), handle func(objectChange)) error {
	body, err := openWatch(ctx, config)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	opened()
	var columns []metav1.TableColumnDefinition
	for decoder := json.NewDecoder(body); ; {
		var event struct {
			Type   watch.EventType `json:"type"`
			Object json.RawMessage `json:"object"`
		}
		switch err := decoder.Decode(&event); {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, io.EOF):
			return nil // the API server ends every watch after some time
		case err != nil:
			return fmt.Errorf("watch the objects: %w", err)
		case event.Type == watch.Error:
			return fmt.Errorf("watch the objects: %s", event.Object)
		}
		var table metav1.Table
		if err := json.Unmarshal(event.Object, &table); err != nil {
			return fmt.Errorf("watch the objects: %w", err)
		}
		if len(table.ColumnDefinitions) > 0 { // only the first table has them
			columns = table.ColumnDefinitions
		}
		for _, row := range table.Rows {
			change := objectChange{kind: event.Type, columns: columns, cells: row.Cells}
			if err := json.Unmarshal(row.Object.Raw, &change.cluster); err != nil {
				return fmt.Errorf("watch the objects: %w", err)
			}
			handle(change)
		}
	}
}

// openWatch watches tables that include the whole objects.
func openWatch(ctx context.Context, config *rest.Config) (io.ReadCloser, error) {
	config = rest.CopyConfig(config)
	config.NegotiatedSerializer = clientgoscheme.Codecs.WithoutConversion()
	restClient, err := rest.UnversionedRESTClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	body, err := restClient.Get().
		AbsPath("apis", v1alpha1.GroupVersion.Group, v1alpha1.GroupVersion.Version, "namespaces", namespace, "databricksclusters").
		Param("watch", "true").Param("includeObject", "Object").
		SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").
		Stream(ctx)
	if err != nil {
		return nil, fmt.Errorf("watch the objects: %w", err)
	}
	return body, nil
}
