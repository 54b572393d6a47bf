// Package databricks is the REST API of one Databricks workspace, as this
// operator needs it: the client with its deadlines and bounds, the credentials
// that a Secret can carry or an issuer vouch for, the hosts that may be reached, and errors that say
// what must happen next.
//
// The wire types are the SDK's; the request path, the credentials and the
// decoding are ours (docs/decisions/0001-own-request-path.md says why).
//
// A story per file:
//
//   - api, errors: what the rest of the operator sees
//   - client, clusters, principal: the calls
//   - request, classify, sentences, apierror, retryafter: one request, and what its answer means
//   - decode, clean, hidden, requestid: what a server says, made into values and into texts fit to be shown
//   - clock: the difference between the workspace's clock and the operator's
//   - secret, config, auth, oauth, exchange: from a Secret or an identity to a bearer token
//   - hosts, dial: where requests may go
//
// Nothing here knows Kubernetes, and nothing here decides: a call is made once
// and its outcome is returned.
package databricks
