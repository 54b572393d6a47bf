// Package e2e runs the operator as users do, as a process of its own with
// nothing but flags of --help, against a real API server and a simulated
// workspace. It proves what only a process can show: its command line, its
// endpoints, how it stops, and that killing it at any moment leaves one cluster
// per object.
//
// What a rule of the operator decides is proven beside the rule; here is only
// what comes of all of them together.
package e2e
