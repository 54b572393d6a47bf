package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// etcd is the store of the control plane, through its JSON gateway. Byte slices
// are base64 in JSON, as the gateway wants them.
type etcd struct{ url string }

func (r *rig) etcd() etcd { return etcd{r.kubernetes.EtcdURL()} }

type keyValue struct {
	Key   []byte `json:"key"`
	Value []byte `json:"value,omitempty"`
}

// get returns the value of a key.
func (e etcd) get(ctx context.Context, key string) ([]byte, error) {
	var answer struct {
		Values []keyValue `json:"kvs"`
	}
	if err := e.call(ctx, "range", keyValue{Key: []byte(key)}, &answer); err != nil {
		return nil, err
	}
	if len(answer.Values) != 1 {
		return nil, fmt.Errorf("etcd has no key %s", key)
	}
	return answer.Values[0].Value, nil
}

// put writes values by key in one transaction.
func (e etcd) put(ctx context.Context, values map[string][]byte) error {
	type operation struct {
		Put keyValue `json:"requestPut"`
	}
	var transaction struct {
		Operations []operation `json:"success"`
	}
	for key, value := range values {
		transaction.Operations = append(transaction.Operations, operation{keyValue{[]byte(key), value}})
	}
	var answer struct {
		Succeeded bool `json:"succeeded"`
	}
	if err := e.call(ctx, "txn", transaction, &answer); err != nil {
		return err
	}
	if !answer.Succeeded {
		return fmt.Errorf("etcd refused to write %d keys", len(values))
	}
	return nil
}

func (e etcd) call(ctx context.Context, operation string, request, into any) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	content, err := json.Marshal(request)
	if err != nil {
		return fmt.Errorf("encode a request to etcd: %w", err)
	}
	post, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url+"/v3/kv/"+operation, bytes.NewReader(content))
	if err != nil {
		return fmt.Errorf("request etcd: %w", err)
	}
	answer, err := http.DefaultClient.Do(post)
	if err != nil {
		return fmt.Errorf("request etcd: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 64<<20))
	if err != nil {
		return fmt.Errorf("read etcd's answer: %w", err)
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("etcd answers %s: %s", answer.Status, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("read etcd's answer: %w", err)
	}
	return nil
}
