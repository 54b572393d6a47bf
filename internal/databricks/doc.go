// Package databricks is a client for the REST API of a Databricks workspace. It has
// deadlines and size limits, credentials from a Secret or a workload identity, an
// allow-list of hosts, and classified errors.
//
// The wire types are those of the SDK. The request path, the credentials and the
// decoding are implemented here, for the reasons in
// docs/decisions/0001-own-request-path.md.
//
// The files:
//
//   - api, errors: the interfaces and the errors
//   - client, clusters, catalog, collections, libraries, permissions, principal: the calls
//   - request, classify, messages, apierror, retryafter: one request, and the meaning of its response
//   - decode, clean, hidden, requestid: decoding of responses, and cleaning and redaction of texts
//   - clock: the difference between the workspace's clock and the operator's
//   - secret, config, auth, oauth, exchange: credentials and bearer tokens
//   - hosts, dial: the allow-list of hosts and the check of addresses
//
// The package does not depend on Kubernetes. Every call is made once, and its caller
// decides about a retry.
package databricks
