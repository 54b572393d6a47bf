// Package sparkversion knows what a Databricks runtime key says: it parses and
// prints keys, and tells what does not fit together before the server refuses
// it. It is the one place that does; nobody else looks for "-ml-" in a key. What
// else a specification refers to, policies and pools, is held against the
// workspace here as well.
//
// Everything here is a pure function of its arguments, and nothing here is a
// reason to refuse: the server decides. A key that is not understood is passed
// on as it stands, and a Problem is advice.
//
// No dates live here: when a runtime's support ends is the workspace's to say,
// which stops listing it.
package sparkversion
