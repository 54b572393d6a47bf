#!/usr/bin/env bash
# Removes the CRDs from the cluster of the current kubectl context, and then the
# admission policies that protect them. It refuses while objects exist, so that
# removing the CRDs deletes no cluster, policy or pool. `make uninstall` runs it.
#
# usage: hack/uninstall.sh KUSTOMIZE KUBECTL
set -euo pipefail
cd "$(dirname "$0")/.."
kustomize=$1 kubectl=$2

crds=$("$kustomize" build config/crd | "$kubectl" get --ignore-not-found --output name -f -)
for crd in $crds; do
	resource=${crd#*/}
	objects=$("$kubectl" get "$resource" --all-namespaces --no-headers \
		--output custom-columns=NAMESPACE:.metadata.namespace,NAME:.metadata.name)
	if [[ -n $objects ]]; then
		cat >&2 <<-END
			uninstall: objects still exist, and removing the CRD would delete them and their clusters, policies and pools:
			$objects
			uninstall: delete them while the operator runs: kubectl delete ${resource%%.*} --all --all-namespaces
			uninstall: to keep their clusters, policies and pools, set spec.deletionPolicy: Retain first (docs/install.md)
		END
		exit 1
	fi
done
for crd in $crds; do
	"$kubectl" annotate --overwrite "$crd" compute.databricks-operator.io/confirm-deletion=true
	"$kubectl" delete --ignore-not-found "$crd"
done
"$kubectl" delete --ignore-not-found validatingadmissionpolicies,validatingadmissionpolicybindings \
	--selector app.kubernetes.io/name=databricks-operator,app.kubernetes.io/component=crd
