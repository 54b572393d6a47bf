// Package workspace connects the kubectl plugin to a Databricks workspace as the user who
// runs it: the standard configuration of the Databricks tools (flags, environment,
// ~/.databrickscfg, the login of the Databricks CLI) supplies the host and the credential,
// and internal/databricks makes the requests, paced by internal/ratelimit.
//
// It is the only package that may load credentials from the environment. The operator
// must not import it. It reads no Secret of Kubernetes: the plugin does not use the
// operator's credential, unless the user asks for it (ConnectWith).
package workspace
