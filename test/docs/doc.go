// Package docs checks the documentation against the code: every condition,
// reason and event is explained, the API server accepts every example or
// rejects it with the message on the page, and every link has a target. It has
// no code of its own.
package docs
