{{/* The pod, the same in a StatefulSet and a Deployment. */}}
{{/* SPDX-License-Identifier: Apache-2.0 */}}

{{- define "spangate.containerPorts" -}}
{{- if gt (int .Values.ports.grpc) 0 }}
- {name: grpc, containerPort: {{ int .Values.ports.grpc }}, protocol: TCP}
{{- end }}
{{- if include "spangate.hasTls" . }}
- {name: tls-grpc, containerPort: {{ int .Values.ports.grpcTls }}, protocol: TCP}
{{- end }}
{{- if gt (int .Values.ports.http) 0 }}
- {name: http, containerPort: {{ int .Values.ports.http }}, protocol: TCP}
{{- end }}
- {name: telemetry, containerPort: {{ int .Values.ports.telemetry }}, protocol: TCP}
{{- end -}}

{{/* The list of pods, or the map of the SkyWalking chart. */}}
{{- define "spangate.env" -}}
{{- if .Values.existingConfigMap }}
{{- include "spangate.variables" (list "SPANGATE_" (include "spangate.configFile" . | fromYaml)) }}
{{- end }}
{{- if kindIs "map" .Values.env }}
{{- range $name, $value := .Values.env }}
- name: {{ $name }}
  value: {{ toString $value | quote }}
{{- end }}
{{- else if .Values.env }}
{{ toYaml .Values.env }}
{{- end }}
{{- end -}}

{{/* [name, secret, item key, file name]; without the last two the whole secret. */}}
{{- define "spangate.secretVolume" -}}
- name: {{ index . 0 }}
  secret:
    secretName: {{ index . 1 }}
    defaultMode: 0440
    {{- if gt (len .) 2 }}
    items:
      - {key: {{ index . 2 | quote }}, path: {{ index . 3 }}}
    {{- end }}
{{- end -}}

{{/* The secrets by the name of their volume and directory. */}}
{{- define "spangate.secretVolumes" -}}
{{- if include "spangate.hasTls" . }}
{{ include "spangate.secretVolume" (list "tls" .Values.tls.secretName) }}
{{- if .Values.tls.clientCASecretName }}
{{ include "spangate.secretVolume" (list "client-ca" .Values.tls.clientCASecretName "ca.crt" "ca.crt") }}
{{- end }}
{{- end }}
{{- if .Values.auth.secretName }}
{{ include "spangate.secretVolume" (list "auth" .Values.auth.secretName .Values.auth.key "tokens") }}
{{- end }}
{{- if .Values.upstream.auth.secretName }}
{{ include "spangate.secretVolume" (list "upstream-auth" .Values.upstream.auth.secretName .Values.upstream.auth.key "token") }}
{{- end }}
{{- if and .Values.upstream.tls.enabled .Values.upstream.tls.secretName }}
{{ include "spangate.secretVolume" (list "upstream-tls" .Values.upstream.tls.secretName) }}
{{- end }}
{{- end -}}

{{- define "spangate.volumes" -}}
- name: config
  configMap:
    name: {{ default (include "spangate.fullname" .) .Values.existingConfigMap }}
{{- if not .Values.persistence.enabled }}
- name: data
  emptyDir:
    sizeLimit: {{ .Values.persistence.size }}
{{- end }}
{{- include "spangate.secretVolumes" . }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "spangate.volumeMounts" -}}
- {name: config, mountPath: /etc/spangate, readOnly: true}
- {name: data, mountPath: {{ include "spangate.volumePath" . }}}
{{- $secrets := include "spangate.secretsPath" . }}
{{- range include "spangate.secretVolumes" . | fromYamlArray }}
- {name: {{ .name }}, mountPath: {{ $secrets }}/{{ .name }}, readOnly: true}
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "spangate.affinity" -}}
{{- if .Values.affinity -}}
{{- toYaml .Values.affinity -}}
{{- else -}}
{{- with .Values.nodeAffinity }}
nodeAffinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if eq .Values.antiAffinity "hard" }}
podAntiAffinity:
  requiredDuringSchedulingIgnoredDuringExecution:
    - topologyKey: kubernetes.io/hostname
      labelSelector:
        matchLabels:
          {{- include "spangate.selectorLabels" . | nindent 10 }}
{{- else if eq .Values.antiAffinity "soft" }}
podAntiAffinity:
  preferredDuringSchedulingIgnoredDuringExecution:
    - weight: 100
      podAffinityTerm:
        topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels:
            {{- include "spangate.selectorLabels" . | nindent 12 }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* Starting may take as long as reading a full spool: the probes of life wait five minutes. */}}
{{- define "spangate.container" -}}
name: spangate
image: {{ include "spangate.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args:
  - serve
  - --config
  - /etc/spangate/spangate.yaml
  {{- range .Values.extraArgs }}
  - {{ . | quote }}
  {{- end }}
{{- with include "spangate.env" . | trim }}
env:
  {{- . | nindent 2 }}
{{- end }}
{{- with .Values.envFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
ports:
  {{- include "spangate.containerPorts" . | trim | nindent 2 }}
startupProbe:
  httpGet: {path: /livez, port: telemetry}
  periodSeconds: 2
  failureThreshold: 150
livenessProbe:
  httpGet: {path: /livez, port: telemetry}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: {path: /readyz, port: telemetry}
  periodSeconds: 5
  timeoutSeconds: 3
  failureThreshold: 2
{{- with .Values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.securityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumeMounts:
  {{- include "spangate.volumeMounts" . | nindent 2 }}
{{- end -}}

{{- define "spangate.podSpec" -}}
serviceAccountName: {{ include "spangate.serviceAccountName" . }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.podSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
terminationGracePeriodSeconds: {{ include "spangate.gracePeriod" . }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with include "spangate.affinity" . | trim }}
affinity:
  {{- . | nindent 2 }}
{{- end }}
{{- with .Values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- toYaml . | nindent 2 }}
{{- end }}
containers:
  - {{- include "spangate.container" . | nindent 4 }}
volumes:
  {{- include "spangate.volumes" . | nindent 2 }}
{{- end -}}

{{/* A changed file restarts the pods, unless they watch it. */}}
{{- define "spangate.podMetadata" -}}
labels:
  {{- include "spangate.selectorLabels" . | nindent 2 }}
  {{- with merge (deepCopy .Values.podLabels) .Values.commonLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- $isWatched := eq (include "spangate.get" (list .Values.config "reload.watch")) "true" }}
{{- $annotations := deepCopy .Values.podAnnotations }}
{{- if not (or .Values.existingConfigMap $isWatched) }}
{{- $_ := set $annotations "checksum/config" (include "spangate.configFile" . | sha256sum) }}
{{- end }}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
