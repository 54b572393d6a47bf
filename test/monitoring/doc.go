// Package monitoring holds what the operator ships for Prometheus, Grafana and
// kube-state-metrics to what there is: every expression parses and asks for
// documented metrics alone, every alert fires when it should and has a runbook,
// and every path of a custom resource is one of its definition. It is a module
// of its own, so that Prometheus' parser does not become the operator's.
package monitoring
