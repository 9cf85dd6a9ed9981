{{/* What the schema cannot see: settings that do not fit together. Each fails with plain words. */}}
{{/* SPDX-License-Identifier: Apache-2.0 */}}

{{- define "spangate.checks" -}}
{{- include "spangate.checkOwned" . -}}
{{- include "spangate.checkVariables" . -}}
{{- include "spangate.checkUpstream" . -}}
{{- include "spangate.checkAutoscaling" . -}}
{{- include "spangate.checkPorts" . -}}
{{- if and (not .Values.tls.secretName) (or .Values.tls.clientCASecretName (ne .Values.tls.clientAuth "none")) -}}
{{- fail "tls.clientAuth and tls.clientCASecretName need tls.secretName: without it there is no TLS port" -}}
{{- end -}}
{{- if and .Values.upstream.tls.clientCert (not .Values.upstream.tls.secretName) -}}
{{- fail "upstream.tls.clientCert needs upstream.tls.secretName, a Secret with tls.crt and tls.key" -}}
{{- end -}}
{{- if and (not .Values.upstream.tls.enabled) .Values.upstream.tls.secretName -}}
{{- fail "upstream.tls.secretName has no effect: set upstream.tls.enabled too" -}}
{{- end -}}
{{- end -}}

{{- define "spangate.checkOwned" -}}
{{- $root := . -}}
{{- range $path, $instead := dict "listen.grpc.address" "ports.grpc" "listen.grpc_tls.address" "ports.grpcTls and tls.secretName" "listen.http.address" "ports.http" "telemetry.address" "ports.telemetry" -}}
{{- if include "spangate.get" (list $root.Values.config $path) -}}
{{- fail (printf "config.%s: set %s instead; Service, probes and policies follow it" $path $instead) -}}
{{- end -}}
{{- end -}}
{{- range list "buffer.disk.path" "quarantine.path" -}}
{{- $set := include "spangate.get" (list $root.Values.config .) -}}
{{- if and $set (not (hasPrefix (printf "%s/" (include "spangate.volumePath" $root)) $set)) -}}
{{- fail (printf "config.%s %s: only %s is writable, the volume of persistence" . $set (include "spangate.volumePath" $root)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Variables go over the file: those that move what the manifest relies on would break it unseen. */}}
{{- define "spangate.checkVariables" -}}
{{- $instead := dict "SATELLITE_GRPC_ADDRESS" "ports.grpc" "SATELLITE_HTTP_ADDRESS" "ports.http" "SATELLITE_PROMETHEUS_ADDRESS" "ports.telemetry" "SATELLITE_TELEMETRY_PROMETHEUS_ADDRESS" "ports.telemetry" "SATELLITE_SHUTDOWN_HOOK_TIME" "config.shutdown.drain" "SPANGATE_LISTEN__GRPC__ADDRESS" "ports.grpc" "SPANGATE_LISTEN__GRPC_TLS__ADDRESS" "ports.grpcTls" "SPANGATE_LISTEN__HTTP__ADDRESS" "ports.http" "SPANGATE_TELEMETRY__ADDRESS" "ports.telemetry" "SPANGATE_SHUTDOWN__DELAY" "config.shutdown.delay" "SPANGATE_SHUTDOWN__DRAIN" "config.shutdown.drain" "SPANGATE_SHUTDOWN__FLUSH" "config.shutdown.flush" -}}
{{- $names := list -}}
{{- if kindIs "map" .Values.env -}}{{- $names = keys .Values.env -}}{{- else -}}{{- range .Values.env -}}{{- $names = append $names .name -}}{{- end -}}{{- end -}}
{{- range $names -}}
{{- if hasKey $instead . -}}
{{- fail (printf "env %s: set %s instead; the manifest follows it" . (get $instead .)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The environment and flags may name it, too. */}}
{{- define "spangate.checkUpstream" -}}
{{- $addresses := include "spangate.get" (list .Values.config "upstream.addresses") -}}
{{- $named := and $addresses (ne $addresses "[]") -}}
{{- $kind := default "oap" (include "spangate.get" (list .Values.config "upstream.kind")) -}}
{{- if and .Values.upstream.addresses .Values.upstream.selector -}}
{{- fail "upstream.addresses and upstream.selector are both set: keep one" -}}
{{- end -}}
{{- if and $named (or .Values.upstream.addresses .Values.upstream.selector) -}}
{{- fail "config.upstream.addresses and upstream.addresses or upstream.selector are both set: keep one" -}}
{{- end -}}
{{- $elsewhere := or .Values.existingConfigMap .Values.env .Values.envFrom .Values.extraArgs -}}
{{- if not (or .Values.upstream.addresses .Values.upstream.selector $named (ne $kind "oap") $elsewhere) -}}
{{- fail "there is nowhere to forward to: set upstream.addresses, as [\"oap.skywalking:11800\"], or upstream.selector; to try without OAP: config.upstream.kind=sink" -}}
{{- end -}}
{{- end -}}

{{- define "spangate.checkAutoscaling" -}}
{{- if .Values.autoscaling.enabled -}}
{{- $flush := get (include "spangate.shutdown" . | fromYaml) "flush" -}}
{{- $isFlushed := gt (float64 (include "spangate.seconds" (list "shutdown.flush" $flush))) 0.0 -}}
{{- $isKafka := eq (include "spangate.get" (list .Values.config "upstream.kind")) "kafka" -}}
{{- if not (or (not .Values.persistence.enabled) $isFlushed $isKafka) -}}
{{- fail "autoscaling.enabled with persistence.enabled: a replica that is taken away leaves its volume, and the messages on it, behind; set config.shutdown.flush, as 5m, so that it forwards them first, or config.upstream.kind=kafka, or persistence.enabled=false" -}}
{{- end -}}
{{- if gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas) -}}
{{- fail (printf "autoscaling.minReplicas %d is above maxReplicas %d" (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "spangate.checkPorts" -}}
{{- $seen := dict -}}
{{- range $name, $port := .Values.ports -}}
{{- $key := toString $port -}}
{{- $counts := and (gt (int $port) 0) (or (ne $name "grpcTls") (include "spangate.hasTls" $)) -}}
{{- if and $counts (hasKey $seen $key) -}}
{{- fail (printf "ports.%s and ports.%s are both %s" (get $seen $key) $name $key) -}}
{{- end -}}
{{- if $counts -}}{{- $_ := set $seen $key $name -}}{{- end -}}
{{- end -}}
{{- if not (or (gt (int .Values.ports.grpc) 0) (include "spangate.hasTls" .)) -}}
{{- fail "there is no port for agents: set ports.grpc, or ports.grpcTls and tls.secretName" -}}
{{- end -}}
{{- end -}}
