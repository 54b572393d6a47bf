// Package databricks is the REST API of one Databricks workspace, as this
// operator needs it: the client with its deadlines and bounds, the credentials
// that a Secret can carry, the hosts that may be reached, and errors that say
// what must happen next.
//
// The wire types and the authentication protocols are the SDK's; the request
// path is ours, because the SDK's retries inside a call, repeats a create,
// follows redirects and reads without bound (docs/decisions/0001).
//
// Nothing here knows Kubernetes, and nothing here decides: a call is made once
// and its outcome is returned.
package databricks
