// Package sparkversion parses Databricks runtime keys, and finds problems in a
// specification before the server refuses it: runtimes, node types, policies and pools
// that the workspace does not have or that do not fit together. No other package
// parses runtime keys.
//
// Every function is pure. A Problem is advice and never blocks a request, because the
// server decides; a key that cannot be parsed is sent unchanged.
//
// The package has no dates. A workspace stops listing a runtime when its support ends.
package sparkversion
