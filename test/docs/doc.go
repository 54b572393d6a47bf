// Package docs holds the documentation to the code: every condition, reason and
// event is explained, every example is one that the API server would take, and
// every link leads somewhere. It has no code of its own.
package docs
