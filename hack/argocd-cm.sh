#!/usr/bin/env bash
# Prints examples/argocd/argocd-cm.yaml: the scripts in its directory in the form of
# Argo CD's ConfigMap, for versions of Argo CD that do not include them.
set -euo pipefail
cd "$(dirname "$0")/../examples/argocd"

# indented FILE N prints a file with its lines indented by N.
indented() { sed "s/^./$(printf '%*s' "$2" '')&/" "$1"; }

cat <<'YAML'
# Generated from the scripts beside it by make manifests.
#
#   kubectl -n argocd patch configmap argocd-cm --type merge --patch-file argocd-cm.yaml
apiVersion: v1
kind: ConfigMap
metadata:
  name: argocd-cm
  namespace: argocd
  labels:
    app.kubernetes.io/name: argocd-cm
    app.kubernetes.io/part-of: argocd
data:
YAML
for folder in */*/; do
	kind=${folder%/}
	echo "  resource.customizations.health.${kind/\//_}: |"
	indented "$folder/health.lua" 4
	[[ -d $folder/actions ]] || continue
	echo "  resource.customizations.actions.${kind/\//_}: |"
	echo '    discovery.lua: |'
	indented "$folder/actions/discovery.lua" 6
	echo '    definitions:'
	for action in "$folder"/actions/*/action.lua; do
		echo "      - name: $(basename "$(dirname "$action")")"
		echo '        action.lua: |'
		indented "$action" 10
	done
done
