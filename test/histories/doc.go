// Package histories runs the whole operator through random histories in virtual time: the
// manager, its informers, the controllers, the cache, the rate limiter and the client,
// against a model of the API server and the simulator, in one process under
// testing/synctest.
//
// A history is a list of steps, one per line: what users, other tools, faults and crashes
// do, and how long before it nothing is done. Its invariants are checked at every request
// and after every step, and its end is compared with what the objects declare. A history
// that fails is shortened to the steps that it needs. Histories that once failed are kept
// in testdata and replayed.
//
// What lives here: the model of the API server (apiserver_test.go, watch_test.go; compared
// with the real one in model_test.go), the connections of a process with their faults
// (connection_test.go), the process (operator_test.go), the steps (step_test.go,
// verbs_test.go), the invariants (invariants_test.go, settled_test.go), the runner
// (run_test.go), and what it runs: random histories (histories_test.go), a crash at every
// call (crash_test.go), and days of churn (soak_test.go).
//
// What must not live here: a mock of the operator's own code, a sleep in real time, and a
// rule that the operator calls.
package histories
