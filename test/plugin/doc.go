// Package plugin tests the kubectl plugin against a real control plane, a simulated
// workspace and the operator: what import promises, and what requests, previews and
// diagnoses say.
package plugin
