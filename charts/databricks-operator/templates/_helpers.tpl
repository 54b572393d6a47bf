{{/* The prefix of all names. */}}
{{- define "databricks-operator.fullname" -}}
{{- $name := .Values.fullnameOverride }}
{{- if not $name }}
{{- $name = ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) (contains .Chart.Name .Release.Name) }}
{{- end }}
{{- $name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "databricks-operator.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (printf "%s-controller-manager" (include "databricks-operator.fullname" .)) }}
{{- end }}

{{/*
The selector of the pods, the same as in config/, so that a release can adopt an
existing installation. A namespace has one release, because two would share a lease.
*/}}
{{- define "databricks-operator.selector" -}}
app.kubernetes.io/name: databricks-operator
control-plane: controller-manager
{{- end }}

{{- define "databricks-operator.labels" -}}
app.kubernetes.io/name: databricks-operator
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Whether DatabricksWorkspaces are served; empty if not. */}}
{{- define "databricks-operator.workspaces" -}}
{{- if and .Values.workspaces (not .Values.watchNamespaces) }}yes{{ end }}
{{- end }}

{{/* The name of an object of config/ in this release. */}}
{{- define "databricks-operator.named" -}}
{{ include "databricks-operator.fullname" .root }}-{{ .name | trimPrefix "databricks-operator-" }}
{{- end }}

{{/*
The objects of a file, which `make manifests` renders from config/, as a list: with
the names, the namespace, the labels and the service account of this release.
*/}}
{{- define "databricks-operator.objects" -}}
{{- $root := .root }}
{{- $objects := list }}
{{- range regexSplit "(?m)^---$" ($root.Files.Get .file) -1 }}
{{- $object := fromYaml . }}
{{- if $object }}
{{- $meta := $object.metadata }}
{{- $_ := set $meta "labels" (merge (include "databricks-operator.labels" $root | fromYaml) ($meta.labels | default dict)) }}
{{- if ne $object.kind "CustomResourceDefinition" }}
{{- $_ := set $meta "name" (include "databricks-operator.named" (dict "root" $root "name" $meta.name)) }}
{{- end }}
{{- if has $meta.namespace (list "system" "databricks-operator-system") }}
{{- $_ := set $meta "namespace" $root.Release.Namespace }}
{{- end }}
{{- with $object.roleRef }}
{{- $_ := set . "name" (include "databricks-operator.named" (dict "root" $root "name" .name)) }}
{{- end }}
{{- range $object.subjects }}
{{- $_ := set . "name" (include "databricks-operator.serviceAccountName" $root) }}
{{- $_ := set . "namespace" $root.Release.Namespace }}
{{- end }}
{{- range $object.rules }}
{{- if has "databricks-operator-controller-manager" .resourceNames }}
{{- $_ := set . "resourceNames" (list (include "databricks-operator.serviceAccountName" $root)) }}
{{- end }}
{{- end }}
{{- if and $root.Values.shard (hasSuffix "-leader-election-role" $meta.name) }}
{{- range $object.rules }}
{{- if .resourceNames }}
{{- $_ := set . "resourceNames" (list (printf "databricks-operator-%s.compute.databricks-operator.io" $root.Values.shard)) }}
{{- end }}
{{- end }}
{{- end }}
{{- if eq $object.kind "ValidatingAdmissionPolicyBinding" }}
{{- $_ := set $object.spec "policyName" (include "databricks-operator.named" (dict "root" $root "name" $object.spec.policyName)) }}
{{- with $object.spec.paramRef }}
{{- $_ := set . "name" (include "databricks-operator.named" (dict "root" $root "name" .name)) }}
{{- end }}
{{- end }}
{{- $objects = append $objects $object }}
{{- end }}
{{- end }}
{{- toYaml $objects }}
{{- end }}

{{/* The volumes of the pod, each with its name, which is also its directory in /etc. */}}
{{- define "databricks-operator.mounted" -}}
{{- with .Values.databricksCA }}
{{- if or .configMap .secret }}
- name: databricks-ca
  source:
    {{- if .configMap }}
    configMap:
      name: {{ .configMap }}
    {{- else }}
    secret:
      secretName: {{ .secret }}
    {{- end }}
      items:
      - key: {{ .key }}
        path: ca.crt
{{- end }}
{{- end }}
{{- with .Values.proxy.credentialsSecret }}
- name: proxy-credentials
  source:
    secret:
      secretName: {{ . }}
{{- end }}
{{- with .Values.metrics.certSecret }}
- name: metrics-certificate
  source:
    secret:
      secretName: {{ . }}
{{- end }}
{{- end }}

{{/* The operator's command line. */}}
{{- define "databricks-operator.args" -}}
- --leader-elect
- --metrics-bind-address={{ ternary ":8443" "0" .Values.metrics.enabled }}
- --health-probe-bind-address=:8081
{{- with .Values.watchNamespaces }}
- --watch-namespaces={{ join "," . }}
{{- end }}
{{- with .Values.watchLabelSelector }}
- {{ printf "--watch-label-selector=%s" . | quote }}
{{- end }}
{{- with .Values.shard }}
- --shard={{ . }}
{{- end }}
{{- if not (include "databricks-operator.workspaces" .) }}
- --workspaces=false
{{- end }}
{{- if not .Values.workspaceStatus }}
- --workspace-status=false
{{- end }}
{{- if and .Values.metrics.enabled (not .Values.metrics.secure) }}
- --metrics-secure=false
{{- end }}
{{- if .Values.metrics.certSecret }}
- --metrics-cert-dir=/etc/metrics-certificate
{{- end }}
{{- with .Values.allowedHosts }}
- --allowed-hosts={{ join "," . }}
{{- end }}
{{- with .Values.namespaceHosts }}
- --namespace-hosts={{ join "," . }}
{{- end }}
{{- with .Values.allowedTokenAudiences }}
- --allowed-token-audiences={{ join "," . }}
{{- end }}
{{- if or .Values.databricksCA.configMap .Values.databricksCA.secret }}
- --databricks-ca-file=/etc/databricks-ca/ca.crt
{{- end }}
{{- with .Values.proxy.url }}
- --databricks-proxy={{ . }}
{{- end }}
{{- if .Values.proxy.credentialsSecret }}
- --databricks-proxy-credentials-dir=/etc/proxy-credentials
{{- end }}
{{- with .Values.defaultCredentialsSecret }}
- --default-credentials-secret={{ . }}
{{- end }}
{{- with .Values.operatorID }}
- --operator-id={{ . }}
{{- end }}
{{- if not .Values.ownerTag }}
- --owner-tag=false
{{- end }}
{{- with .Values.adoptionPolicy }}
- --adoption-policy={{ . }}
{{- end }}
{{- with .Values.predecessors }}
- --predecessors={{ join "," . }}
{{- end }}
{{- /* Each limit is the flag of its name. */}}
{{- range $name, $value := .Values.limits }}
{{- if not (kindIs "invalid" $value) }}
- --{{ kebabcase $name }}={{ $value }}
{{- end }}
{{- end }}
{{- with .Values.log.level }}
- --zap-log-level={{ . }}
{{- end }}
{{- with .Values.log.encoder }}
- --zap-encoder={{ . }}
{{- end }}
{{- range .Values.extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end }}

{{/* Checks that the schema cannot express. */}}
{{- define "databricks-operator.check" -}}
{{- if and .Values.watchNamespaces .Values.metrics.enabled .Values.metrics.secure }}
{{- fail "metrics.secure authorizes clients by Kubernetes RBAC, which needs a ClusterRole. With watchNamespaces, set metrics.enabled=false, or metrics.secure=false for HTTP to all clients that networkPolicy allows" }}
{{- end }}
{{- if and .Values.watchLabelSelector (not .Values.shard) }}
{{- fail (printf "watchLabelSelector %q needs a shard, such as shard=a: operators of one name wait for each other's lease" .Values.watchLabelSelector) }}
{{- end }}
{{- if and .Values.shard (not .Values.watchLabelSelector) (not .Values.watchNamespaces) }}
{{- fail (printf "shard %q would work on all objects: set watchLabelSelector or watchNamespaces" .Values.shard) }}
{{- end }}
{{- if and .Values.databricksCA.configMap .Values.databricksCA.secret }}
{{- fail (printf "databricksCA.configMap %q and databricksCA.secret %q: name one of them" .Values.databricksCA.configMap .Values.databricksCA.secret) }}
{{- end }}
{{- range $name, $limit := .Values.quota }}
{{- if and (gt (int $limit) 0) (not $.Values.watchNamespaces) }}
{{- fail (printf "quota.%s %d needs watchNamespaces, in which the quotas are; create a ResourceQuota in each namespace of users instead" $name (int $limit)) }}
{{- end }}
{{- end }}
{{- if and .Values.proxy.credentialsSecret (not .Values.proxy.url) }}
{{- fail (printf "proxy.credentialsSecret %q needs proxy.url, such as http://proxy.example.com:3128" .Values.proxy.credentialsSecret) }}
{{- end }}
{{- if and .Values.metrics.certSecret (not (and .Values.metrics.enabled .Values.metrics.secure)) }}
{{- fail (printf "metrics.certSecret %q: the metrics are not served over TLS; set metrics.enabled=true and metrics.secure=true, or remove it" .Values.metrics.certSecret) }}
{{- end }}
{{- if and (or .Values.serviceMonitor.enabled .Values.prometheusRule.enabled) (not .Values.metrics.enabled) }}
{{- fail "serviceMonitor.enabled and prometheusRule.enabled need metrics: set metrics.enabled=true, or both to false" }}
{{- end }}
{{- end }}
