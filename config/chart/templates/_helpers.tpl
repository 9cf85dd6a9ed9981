{{/* Names, labels and small readings of values. */}}
{{/* SPDX-License-Identifier: Apache-2.0 */}}

{{- define "spangate.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* At most 52: a StatefulSet puts 11 more behind it in a label of its pods. */}}
{{- define "spangate.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains (include "spangate.name" .) .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "spangate.name" .) | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "spangate.headless" -}}
{{- include "spangate.fullname" . }}-headless
{{- end -}}

{{- define "spangate.selectorLabels" -}}
app.kubernetes.io/name: {{ include "spangate.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "spangate.labels" -}}
{{- $labels := include "spangate.selectorLabels" . | fromYaml -}}
{{- $_ := set $labels "app.kubernetes.io/version" .Chart.AppVersion -}}
{{- $_ := set $labels "app.kubernetes.io/managed-by" .Release.Service -}}
{{- $_ := set $labels "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_") -}}
{{- toYaml (merge $labels .Values.commonLabels) -}}
{{- end -}}

{{- define "spangate.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "spangate.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "spangate.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{/* [map, "a.b.c"]: what stands there; nothing where it does not, or is null. */}}
{{- define "spangate.get" -}}
{{- $at := index . 0 -}}
{{- range splitList "." (index . 1) -}}
{{- if kindIs "map" $at -}}{{- $at = get $at . -}}{{- else -}}{{- $at = "" -}}{{- end -}}
{{- end -}}
{{- if or (kindIs "slice" $at) (kindIs "map" $at) -}}{{- toJson $at -}}
{{- else if not (kindIs "invalid" $at) -}}{{- toString $at -}}{{- end -}}
{{- end -}}

{{/* [path, "1.5h"]: in seconds. */}}
{{- define "spangate.seconds" -}}
{{- $path := index . 0 -}}
{{- $value := toString (index . 1) -}}
{{- if not (regexMatch "^[0-9]+([.][0-9]+)? *(ms|s|m|h|d)$" $value) -}}
{{- fail (printf "config.%s %q: the pod's grace period is worked out from it, so it must be a plain time, as 20s" $path $value) -}}
{{- end -}}
{{- $unit := regexFind "[a-z]+$" $value -}}
{{- $factor := get (dict "ms" 0.001 "s" 1.0 "m" 60.0 "h" 3600.0 "d" 86400.0) $unit -}}
{{- mulf (float64 (regexFind "^[0-9.]+" $value)) $factor -}}
{{- end -}}

{{/* [path, "8Gi"] or [path, "4GiB"]: in MiB, cut to whole ones. */}}
{{- define "spangate.mebibytes" -}}
{{- $path := index . 0 -}}
{{- $value := toString (index . 1) -}}
{{- $units := dict "" 1.0 "B" 1.0 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 "KiB" 1024.0 "MiB" 1048576.0 "GiB" 1073741824.0 -}}
{{- $unit := regexFind "[A-Za-z]*$" $value -}}
{{- if not (and (regexMatch "^[0-9]+([.][0-9]+)? *[A-Za-z]*$" $value) (hasKey $units $unit)) -}}
{{- fail (printf "%s %q: it is held against the size of the volume, so it must be a plain size" $path $value) -}}
{{- end -}}
{{- divf (mulf (float64 (regexFind "^[0-9.]+" $value)) (get $units $unit)) 1048576.0 | floor | int64 -}}
{{- end -}}

{{/* Whether a token, certificate or authority is mounted, and where. */}}
{{- define "spangate.secretsPath" -}}/run/secrets/spangate{{- end -}}

{{- define "spangate.hasTls" -}}
{{- if and .Values.tls.secretName (gt (int .Values.ports.grpcTls) 0) -}}true{{- end -}}
{{- end -}}

{{/* Of the pod of helm test: no replica, so not those of the selector. */}}
{{- define "spangate.testLabels" -}}
app.kubernetes.io/name: {{ include "spangate.name" . }}-test
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}
