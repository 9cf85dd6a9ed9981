{{/* spangate.yaml: what follows from the other values, and over it what config says. */}}
{{/* SPDX-License-Identifier: Apache-2.0 */}}

{{- define "spangate.volumePath" -}}/var/lib/spangate{{- end -}}

{{/* The three waits of a stop, as config says or as fits the kind of volume. */}}
{{- define "spangate.shutdown" -}}
{{- $flush := ternary "0s" "60s" .Values.persistence.enabled -}}
delay: {{ default "5s" (include "spangate.get" (list .Values.config "shutdown.delay")) | quote }}
drain: {{ default "20s" (include "spangate.get" (list .Values.config "shutdown.drain")) | quote }}
flush: {{ default $flush (include "spangate.get" (list .Values.config "shutdown.flush")) | quote }}
{{- end -}}

{{- define "spangate.gracePeriod" -}}
{{- $shutdown := include "spangate.shutdown" . | fromYaml -}}
{{- $sum := 10.0 -}}
{{- range $name, $value := $shutdown -}}
{{- $sum = addf $sum (float64 (include "spangate.seconds" (list (printf "shutdown.%s" $name) $value))) -}}
{{- end -}}
{{- ceil $sum | int64 -}}
{{- end -}}

{{/* A tenth of the volume stays with the file system. */}}
{{- define "spangate.spoolMebibytes" -}}
{{- $quarantine := default "1GiB" (include "spangate.get" (list .Values.config "quarantine.max")) -}}
{{- $free := default "512MiB" (include "spangate.get" (list .Values.config "buffer.disk.min_free")) -}}
{{- $set := include "spangate.get" (list .Values.config "buffer.disk.max") -}}
{{- $size := int64 (include "spangate.mebibytes" (list "persistence.size" .Values.persistence.size)) -}}
{{- $usable := div (mul $size 9) 10 -}}
{{- $others := add (include "spangate.mebibytes" (list "config.quarantine.max" $quarantine)) (include "spangate.mebibytes" (list "config.buffer.disk.min_free" $free)) -}}
{{- $left := sub $usable $others -}}
{{- if $set -}}
{{- $wanted := int64 (include "spangate.mebibytes" (list "config.buffer.disk.max" $set)) -}}
{{- if gt $wanted $left -}}
{{- fail (printf "persistence.size %s is too small: config.buffer.disk.max %s, config.quarantine.max %s, config.buffer.disk.min_free %s and a tenth for the file system do not fit; at most %dMiB are left for the buffer" .Values.persistence.size $set $quarantine $free $left) -}}
{{- end -}}
{{- $wanted -}}
{{- else -}}
{{- if lt $left 64 -}}
{{- fail (printf "persistence.size %s is too small: config.quarantine.max %s, config.buffer.disk.min_free %s and a tenth for the file system leave less than 64MiB for the buffer" .Values.persistence.size $quarantine $free) -}}
{{- end -}}
{{- $left -}}
{{- end -}}
{{- end -}}

{{- define "spangate.upstreamAddresses" -}}
{{- if .Values.upstream.addresses -}}
{{- toJson .Values.upstream.addresses -}}
{{- else if .Values.upstream.selector -}}
{{- list (printf "dns:///%s-oap.%s.svc:%d" (include "spangate.fullname" .) .Release.Namespace (int .Values.upstream.port)) | toJson -}}
{{- end -}}
{{- end -}}

{{/* [root, port]: "" for 0. */}}
{{- define "spangate.address" -}}
{{- $root := index . 0 -}}
{{- $port := int (index . 1) -}}
{{- $host := ternary "[::]" "0.0.0.0" (has "IPv6" $root.Values.service.ipFamilies) -}}
{{- if gt $port 0 -}}{{- printf "%s:%d" $host $port -}}{{- end -}}
{{- end -}}

{{- define "spangate.ownListen" -}}
{{- $secrets := include "spangate.secretsPath" . -}}
grpc:
  address: {{ include "spangate.address" (list . .Values.ports.grpc) | quote }}
http:
  address: {{ include "spangate.address" (list . .Values.ports.http) | quote }}
{{- if include "spangate.hasTls" . }}
grpc_tls:
  address: {{ include "spangate.address" (list . .Values.ports.grpcTls) | quote }}
  cert_file: {{ $secrets }}/tls/tls.crt
  key_file: {{ $secrets }}/tls/tls.key
  client_auth: {{ .Values.tls.clientAuth }}
  {{- if ne .Values.tls.clientAuth "none" }}
  client_ca_file: {{ $secrets }}/{{ ternary "client-ca" "tls" (ne .Values.tls.clientCASecretName "") }}/ca.crt
  {{- end }}
{{- end }}
{{- if .Values.auth.secretName }}
auth:
  tokens_file: {{ $secrets }}/auth/tokens
{{- end }}
{{- end -}}

{{- define "spangate.ownUpstream" -}}
{{- $secrets := include "spangate.secretsPath" . -}}
{{- with include "spangate.upstreamAddresses" . }}
addresses: {{ . }}
{{- end }}
{{- with .Values.upstream.auth.secretName }}
auth_token_file: {{ $secrets }}/upstream-auth/token
{{- end }}
{{- if .Values.upstream.tls.enabled }}
tls:
  enabled: true
  {{- if .Values.upstream.tls.secretName }}
  ca_file: {{ $secrets }}/upstream-tls/ca.crt
  {{- if .Values.upstream.tls.clientCert }}
  cert_file: {{ $secrets }}/upstream-tls/tls.crt
  key_file: {{ $secrets }}/upstream-tls/tls.key
  {{- end }}
  {{- end }}
  {{- with .Values.upstream.tls.serverName }}
  server_name: {{ . | quote }}
  {{- end }}
  {{- if .Values.upstream.tls.insecureSkipVerify }}
  insecure_skip_verify: true
  {{- end }}
{{- end }}
{{- end -}}

{{/* YAML 1.1 makes a bare off false. */}}
{{- define "spangate.own" -}}
version: 1
listen:
  {{- include "spangate.ownListen" . | nindent 2 }}
telemetry:
  address: {{ include "spangate.address" (list . .Values.ports.telemetry) | quote }}
buffer:
  disk:
    path: {{ include "spangate.volumePath" . }}/spool
    max: {{ include "spangate.spoolMebibytes" . }}MiB
quarantine:
  path: {{ include "spangate.volumePath" . }}/quarantine
{{- with include "spangate.ownUpstream" . }}
upstream:
  {{- . | nindent 2 }}
{{- end }}
shutdown:
  {{- include "spangate.shutdown" . | nindent 2 }}
{{- end -}}

{{- define "spangate.configFile" -}}
{{- $config := deepCopy (default dict .Values.config) -}}
{{- $integrity := get $config "integrity" -}}
{{- if kindIs "map" $integrity -}}
{{- if kindIs "bool" (get $integrity "mode") -}}{{- $_ := set $integrity "mode" "off" -}}{{- end -}}
{{- range $integrity.services -}}
{{- if kindIs "map" . -}}{{- if kindIs "bool" (get . "mode") -}}{{- $_ := set . "mode" "off" -}}{{- end -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml (mustMergeOverwrite (include "spangate.own" . | fromYaml) $config) -}}
{{- end -}}

{{/* [prefix, map]: SPANGATE_A__B for each setting in it. Some are maps themselves. */}}
{{- define "spangate.variables" -}}
{{- $prefix := index . 0 -}}
{{- $whole := list "SPANGATE_INTEGRITY__ACTIONS" "SPANGATE_UPSTREAM__KAFKA__TOPICS" "SPANGATE_UPSTREAM__KAFKA__PROPERTIES" -}}
{{- range $name, $value := index . 1 }}
{{- $variable := printf "%s%s" $prefix (upper $name) }}
{{- if and (kindIs "map" $value) (not (has $variable $whole)) }}
{{- include "spangate.variables" (list (printf "%s__" $variable) $value) }}
{{- else if ne $variable "SPANGATE_VERSION" }}
- name: {{ $variable }}
  value: {{ kindIs "string" $value | ternary $value (toJson $value) | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The ports that messages go to, each once. */}}
{{- define "spangate.upstreamPorts" -}}
{{- $config := include "spangate.configFile" . | fromYaml -}}
{{- $ports := list -}}
{{- range list "upstream.addresses" "upstream.kafka.brokers" -}}
{{- range (include "spangate.get" (list $config .) | default "[]" | fromYamlArray) -}}
{{- with regexFind "[0-9]+$" . -}}{{- $ports = append $ports (int .) -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml (uniq $ports) -}}
{{- end -}}
