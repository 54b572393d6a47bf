// Package docs holds the documentation to the code: every condition, reason and
// event is explained, every example is one that the API server takes, or refuses
// in the words beside it, and every link leads somewhere. It has no code of its
// own.
package docs
