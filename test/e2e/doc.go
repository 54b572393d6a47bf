// Package e2e runs the operator as users do, as a separate process that is
// configured only by documented flags, against a real API server and a simulated
// workspace. It tests what needs a process: the command line, the endpoints, the
// shutdown, and that killing the operator at any time leaves one cluster per
// object.
//
// The rules of the operator are tested beside their code; these tests cover their
// interaction.
package e2e
