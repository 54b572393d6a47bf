#!/usr/bin/env bash
# Prints examples/argocd/argocd-cm.yaml: the scripts beside it as Argo CD reads
# them from its ConfigMap, when they are not in its own repository.
set -euo pipefail
cd "$(dirname "$0")/../examples/argocd"

# indented FILE BY: its lines, moved to the right.
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
