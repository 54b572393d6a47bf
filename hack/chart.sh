#!/usr/bin/env bash
# Renders the parts of config/ that the Helm chart includes into its files, and sets
# its versions to the one in config/manager. `make manifests` runs it.
#
# usage: hack/chart.sh KUSTOMIZE CHART
set -euo pipefail
cd "$(dirname "$0")/.."
kustomize=$1 chart=$2

rm -rf "$chart/files"
mkdir -p "$chart/files"
for folder in crd rbac admission network-policy prometheus grafana; do
	[[ -d config/$folder ]] || continue
	"$kustomize" build "config/$folder" >"$chart/files/$folder.yaml"
done
"$kustomize" build config/namespaced/watched >"$chart/files/watched.yaml"
grep -v '^#' config/namespaced/operator_id.yaml >"$chart/files/operator-id.yaml"

version=$(sed -n 's/^  newTag: //p' config/manager/kustomization.yaml)
sed -e "s/^version: .*/version: ${version#v}/" -e "s/^appVersion: .*/appVersion: $version/" \
	"$chart/Chart.yaml" >"$chart/Chart.yaml.tmp"
mv "$chart/Chart.yaml.tmp" "$chart/Chart.yaml"
