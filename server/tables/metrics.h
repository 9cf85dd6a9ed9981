/* Every metric: name without the prefix "spangate_", kind, labels, and the question it answers. */
/* SPDX-License-Identifier: Apache-2.0 */
/* METRIC(token, name, kind, dimension, help). Kinds: COUNTER, GAUGE, HISTOGRAM (seconds), OLDEST.
 * The dimension is a closed label set (base/metric.h). A row comes with the code that moves it. */
#ifndef TABLES_METRICS_H
#define TABLES_METRICS_H

/* clang-format off */
#define METRICS(METRIC) \
    METRIC(ITEMS_ACCEPTED,     "items_accepted_total",     COUNTER,   SIGNAL,         "Items taken from agents. How much comes in?") \
    METRIC(ITEMS_FORWARDED,    "items_forwarded_total",    COUNTER,   SIGNAL,         "Items a backend answered OK. How much goes out?") \
    METRIC(ITEMS_DROPPED,      "items_dropped_total",      COUNTER,   SIGNAL_REASON,  "Items that ended here, by reason. What was lost, and why?") \
    METRIC(ITEMS_QUARANTINED,  "items_quarantined_total",  COUNTER,   SIGNAL,         "Items set aside because OAP could not take them. How much is sick?") \
    METRIC(ITEMS_QUEUED,       "items_queued",             GAUGE,     SIGNAL,         "Items waiting for a batch. Is the buffer filling?") \
    METRIC(ITEMS_INFLIGHT,     "items_inflight",           GAUGE,     SIGNAL,         "Items in calls to a backend. Is the backend slow?") \
    METRIC(RECEIVED_BYTES,     "received_bytes_total",     COUNTER,   SIGNAL,         "Message bytes taken from agents. How much comes in?") \
    METRIC(FORWARDED_BYTES,    "forwarded_bytes_total",    COUNTER,   SIGNAL,         "Message bytes a backend answered OK. How much goes out?") \
    METRIC(SEGMENTS,           "segments_total",           COUNTER,   VERDICT,        "Segments by verdict. How many are sick?") \
    METRIC(SPANS,              "spans_total",              COUNTER,   NONE,           "Spans looked at. How much work is judged?") \
    METRIC(FINDINGS,           "integrity_findings_total", COUNTER,   RULE,           "Findings by rule. What is wrong with the data?") \
    METRIC(CHECK_DURATION,     "integrity_check_duration_seconds", HISTOGRAM, NONE,   "Time one message's verdict took, of one in 64. Does judging cost too much?") \
    METRIC(DELIVERY_DURATION,  "delivery_duration_seconds", HISTOGRAM, SIGNAL,        "From arrival of a batch's oldest item to the backend's OK. How late is the data?") \
    METRIC(BUFFER_BYTES,       "buffer_bytes",             GAUGE,     TIER,           "Bytes held. Is the buffer filling?") \
    METRIC(BUFFER_CAPACITY,    "buffer_capacity_bytes",    GAUGE,     TIER,           "Bytes that may be held. How much outage can be bridged?") \
    METRIC(BUFFER_OLDEST,      "buffer_oldest_item_age_seconds", OLDEST, SIGNAL,      "Age of the oldest item held, looked at each second. Does something wait for ever?") \
    METRIC(SPOOL_RECOVERED,    "spool_recovered_items_total", COUNTER, NONE,          "Items found in the spool at start. What did the life before leave?") \
    METRIC(SPOOL_CORRUPT,      "spool_corrupt_records_total", COUNTER, NONE,          "Records whose bytes on disk were damaged. Is the disk rotting?") \
    METRIC(SPOOL_ERRORS,       "spool_errors_total",       COUNTER,   NONE,           "Calls to the disk that failed. Is the disk failing?") \
    METRIC(SPOOL_SYNC_DURATION, "spool_sync_duration_seconds", HISTOGRAM, NONE,       "How long fdatasync takes; agents wait for it. Is the disk slow?") \
    METRIC(SPOOL_FREE,         "spool_free_bytes",         GAUGE,     NONE,           "Free space of the spool's file system. Is it running out?") \
    METRIC(BACKEND_UP,         "backend_up",               GAUGE,     BACKEND,        "1 while connected. Is a backend gone?") \
    METRIC(BACKEND_INFLIGHT,   "backend_inflight_batches", GAUGE,     BACKEND,        "Calls without an answer yet. Is a backend slow?") \
    METRIC(BACKEND_LAST_SUCCESS, "backend_last_success_timestamp_seconds", GAUGE, BACKEND, "When a backend last answered OK (Unix). Since when is it ill?") \
    METRIC(BACKEND_REQUESTS,   "backend_requests_total",   COUNTER,   BACKEND_CODE,   "Answers by gRPC code. What does a backend complain about?") \
    METRIC(BACKEND_DURATION,   "backend_request_duration_seconds", HISTOGRAM, BACKEND, "How long calls take. Is a backend slow?") \
    METRIC(BACKEND_RETRIES,    "backend_retries_total",    COUNTER,   BACKEND_REASON, "Calls that failed, by reason; their batches go again. Is work done twice?") \
    METRIC(CONNECTIONS,        "connections",              GAUGE,     LISTENER,       "Open agent connections. Are the agents there?") \
    METRIC(CONNECTIONS_TOTAL,  "connections_total",        COUNTER,   LISTENER,       "Connections accepted. Do agents reconnect all the time?") \
    METRIC(CONNECTIONS_REFUSED, "connections_refused_total", COUNTER, REFUSED,        "Connections closed at once, or with calls that were denied (auth), by reason. Who is locked out?") \
    METRIC(TLS_EXPIRY,         "tls_certificate_expiry_timestamp_seconds", GAUGE, TLS_USE, "When a certificate of ours ends, or one in its chain (Unix). Must it be renewed?") \
    METRIC(TLS_RELOAD,         "tls_last_reload_successful", GAUGE,   TLS_USE,        "0 when changed files could not be used and those before stay. Was a new certificate refused?") \
    METRIC(GOAWAYS,            "goaways_total",            COUNTER,   GOAWAY,         "Connections told to go, by reason. Who ended them?") \
    METRIC(GRPC_HANDLED,       "grpc_server_handled_total", COUNTER,  METHOD_CODE,    "Calls ended, by method and gRPC code. Which calls fail?") \
    METRIC(HTTP_REQUESTS,      "http_requests_total",      COUNTER,   HTTP_PATH_STATUS, "HTTP requests answered, by path and status. Which are refused?") \
    METRIC(PAUSED,             "flow_control_paused_connections", GAUGE, NONE,        "Connections not read for lack of room. Is back-pressure at work?") \
    METRIC(MEMORY_USED,        "memory_used_bytes",        GAUGE,     NONE,           "Memory charged to the budget. Is the limit near?") \
    METRIC(MEMORY_LIMIT,       "memory_limit_bytes",       GAUGE,     NONE,           "limits.memory. How much may be used?") \
    METRIC(LOOP_LAG,           "event_loop_lag_seconds",   HISTOGRAM, LOOP,           "How long loop turns take, by loop. Does a worker stall?") \
    METRIC(RELOAD_SUCCESSFUL,  "config_last_reload_successful", GAUGE, NONE,          "1 if the last reload took the file up, or none was asked for. Is the file bad?") \
    METRIC(RELOAD_TIMESTAMP,   "config_last_reload_timestamp_seconds", GAUGE, NONE,   "When the file was taken up last by a reload (Unix); 0: never. Is the new file in use?") \
    METRIC(TAP_CLIENTS,        "tap_clients",              GAUGE,     NONE,           "Clients of the live tap. Does somebody look on?") \
    METRIC(QUARANTINE_SEGMENTS, "quarantine_segments",     GAUGE,     NONE,           "Items kept in quarantine. Is there something to look at?") \
    METRIC(QUARANTINE_BYTES,   "quarantine_bytes",         GAUGE,     NONE,           "Bytes kept in quarantine. Is it full?") \
    METRIC(QUARANTINE_CAPACITY, "quarantine_capacity_bytes", GAUGE,   NONE,           "Bytes that quarantine may keep. Is it full?") \
    METRIC(QUARANTINE_EVICTED, "quarantine_evicted_total", COUNTER,   EVICTED,        "Items that left quarantine unread. Was evidence lost?") \
    METRIC(QUARANTINE_REPLAYED, "quarantine_replayed_total", COUNTER, REPLAYED,       "Items of quarantine that were to be sent after all, by result. What came of it?")

/* INSTANCE_METRIC(token, name, kind, labels, help): read from the registry of instances at each
 * scrape; nothing but admin/expose_instances.c shows them. */
#define INSTANCE_METRICS(INSTANCE_METRIC) \
    INSTANCE_METRIC(SEGMENTS,  "instance_segments_total",  COUNTER, "service, service_instance", "Segments by instance. Who sends?") \
    INSTANCE_METRIC(FINDINGS,  "instance_findings_total",  COUNTER, "service, service_instance", "Findings by instance, hints included. Who is sick?") \
    INSTANCE_METRIC(BAD_RATIO, "instance_bad_ratio",       GAUGE,   "service, service_instance", "Segments with a sure finding, as a share of all of its series. How sick is it?") \
    INSTANCE_METRIC(OVERFLOW,  "series_overflow_total",    COUNTER, "family",                    "Instances that found no series of their own and count in __other__. Is telemetry.top_instances too low?")
/* clang-format on */

#endif
