// Package monitoring tests the files for Prometheus, Grafana and
// kube-state-metrics: every expression parses and uses only documented metrics,
// every alert fires when it should and has a runbook, and every path of a custom
// resource exists in its schema. It is a separate module, so that the operator
// does not depend on Prometheus' parser.
package monitoring
