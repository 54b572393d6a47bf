// Package install tests that a real API server accepts what users install, that
// it meets the restricted Pod Security Standard, and that it grants the
// operator exactly the permissions that it needs.
package install
