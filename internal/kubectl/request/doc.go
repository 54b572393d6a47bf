// Package request makes one-off requests to the operator by the request annotation of an
// object, and waits for the operator's answer in its status. It also suspends and resumes
// objects. It works with clusters, policies and instance pools.
//
// It writes only to the Kubernetes API. The operator, not the user, calls the workspace.
package request
