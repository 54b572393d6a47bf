// Package install proves that what a user installs is accepted by a real API
// server, runs under the restricted Pod Security Standard, and grants the
// operator what it needs and no more.
package install
