/* Every integrity rule: what it is called, how sure it is, what is done about it. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Source: integrity.md 1 and 2. Words only; integrity/ binds a predicate to each row of scope
 * SEGMENT, SPAN or STORED by its token (file integrity/rules/rule_<token>.c); rows of scope STREAM
 * and MESSAGE are found by the deframer and the walker, rows of scope STATE by what remembers: the
 * duplicate table, streams, sightings and instances (integrity.md 2).
 *
 * RULE(token, name, class, scope, default action, allowed actions, agent, sentence)
 *   class   PROOF no healthy agent can produce it; STRONG proven for the identified agent only;
 *           POISON lawful, but OAP loses data over it; EXTERNAL a stranger's bytes; HINT count only
 *   actions O observe, T tag, R repair (tag where the repair's text says so), Q quarantine, D drop
 *   agent   ANY, or the agents for which a STRONG rule counts as strong (else it counts as a hint)
 */
#ifndef TABLES_RULES_H
#define TABLES_RULES_H

/* clang-format off */
#define RULES(RULE) \
    /* 1.1 stream and bytes */ \
    RULE(grpc_message_truncated,  "grpc-message-truncated",  PROOF,    STREAM,  OBSERVE,    "O",    ANY, "the call was half closed in the middle of a message") \
    RULE(conn_lost_mid_message,   "conn-lost-mid-message",   HINT,     STREAM,  OBSERVE,    "O",    ANY, "the stream or connection ended in the middle of a message") \
    RULE(proto_undecodable,       "proto-undecodable",       PROOF,    MESSAGE, QUARANTINE, "Q",    ANY, "the bytes are no protobuf message; OAP would cut the whole stream over it") \
    RULE(proto_unknown_field,     "proto-unknown-field",     HINT,     MESSAGE, OBSERVE,    "O",    ANY, "a field this version does not know; forwarded as it came") \
    RULE(message_oversize,        "message-oversize",        HINT,     STREAM,  QUARANTINE, "Q",    ANY, "the message is larger than listen.max_message; its first 64 KiB are kept") \
    RULE(string_invalid_utf8_identity, "string-invalid-utf8-identity", PROOF, MESSAGE, QUARANTINE, "Q", ANY, "segment id, service or instance is not UTF-8") \
    RULE(string_invalid_utf8,     "string-invalid-utf8",     EXTERNAL, MESSAGE, REPAIR,     "RQ",   ANY, "a string is not UTF-8; each invalid byte becomes \\xHH") \
    RULE(segment_id_malformed,    "segment-id-malformed",    PROOF,    SEGMENT, QUARANTINE, "OTQ",  ANY, "the segment id is empty, longer than 150 bytes or not printable ASCII") \
    RULE(identity_nul,            "identity-nul",            PROOF,    SEGMENT, QUARANTINE, "OTQ",  ANY, "service or instance holds U+0000") \
    RULE(service_empty,           "service-empty",           HINT,     SEGMENT, OBSERVE,    "OTQ",  ANY, "the service name is empty") \
    RULE(instance_empty,          "instance-empty",          HINT,     SEGMENT, OBSERVE,    "OTQ",  ANY, "the instance name is empty") \
    RULE(trace_id_empty,          "trace-id-empty",          HINT,     SEGMENT, OBSERVE,    "OTQ",  ANY, "the trace id is empty") \
    /* 1.2 span graph */ \
    RULE(span_limit,              "span-limit",              HINT,     MESSAGE, OBSERVE,    "O",    ANY, "more spans than integrity.max_spans; forwarded unjudged") \
    RULE(segment_empty,           "segment-empty",           HINT,     SEGMENT, DROP,       "OD",   ANY, "the segment has no spans; OAP ignores it too") \
    RULE(span_blank,              "span-blank",              PROOF,    SPAN,    REPAIR,     "OTRQ", ANY, "a span of zero bytes; removed where another span 0 exists, else the segment is tagged") \
    RULE(span_id_negative,        "span-id-negative",        PROOF,    SPAN,    TAG,        "OTQ",  ANY, "a negative span id") \
    RULE(span_id_duplicate,       "span-id-duplicate",       PROOF,    SPAN,    REPAIR,     "OTRQ", ANY, "two spans with one id; a byte-identical copy is removed, else the later one is tagged") \
    RULE(span_zero_missing,       "span-zero-missing",       PROOF,    SEGMENT, QUARANTINE, "OTQ",  ANY, "no span has id 0; OAP answers OK and stores nothing") \
    RULE(span_parent_missing,     "span-parent-missing",     PROOF,    SPAN,    TAG,        "OTQ",  ANY, "the parent is not in this segment") \
    RULE(span_parent_not_earlier, "span-parent-not-earlier", PROOF,    SPAN,    TAG,        "OTQ",  ANY, "the parent has the same or a later id: a cycle, or a span torn by a race") \
    RULE(segment_multi_root,      "segment-multi-root",      STRONG,   SEGMENT, TAG,        "OTQ",  GO_JAVA_DOTNET, "more than one span without a parent") \
    RULE(root_not_last,           "root-not-last",           STRONG,   SEGMENT, TAG,        "OTQ",  GO_JAVA, "the last span is not the root") \
    /* 1.3 time */ \
    RULE(span_end_unset,          "span-end-unset",          PROOF,    SPAN,    REPAIR,     "OTRQ", ANY, "the span has a start but no end; kept out of OAP's metrics and tagged") \
    RULE(span_end_before_start,   "span-end-before-start",   HINT,     SPAN,    OBSERVE,    "OTRQ", ANY, "the span ends before it starts: a clock was set") \
    RULE(span_start_implausible,  "span-start-implausible",  STRONG,   SPAN,    OBSERVE,    "OTQ",  GO,  "no start, or one over 24 hours ahead of or 30 days behind the arrival") \
    RULE(id_time_incoherent,      "id-time-incoherent",      STRONG,   SEGMENT, TAG,        "OTQ",  GO,  "the time in the segment id is over a minute from the start of the root") \
    RULE(trace_id_stale,          "trace-id-stale",          HINT,     SEGMENT, OBSERVE,    "OTQ",  ANY, "the trace id is over an hour older than the segment id: a pool goroutine kept it") \
    /* 1.4 span content */ \
    RULE(exit_peer_empty,         "exit-peer-empty",         HINT,     SPAN,    OBSERVE,    "OTQ",  ANY, "an Exit span without a peer") \
    RULE(operation_empty,         "operation-empty",         HINT,     SPAN,    OBSERVE,    "OTQ",  ANY, "the span has no name") \
    RULE(control_in_name,         "control-in-name",         EXTERNAL, SPAN,    OBSERVE,    "OTQ",  ANY, "a control character in a name, a peer or a tag value") \
    RULE(tag_blank,               "tag-blank",               HINT,     SPAN,    REPAIR,     "OTRQ", ANY, "a tag of zero bytes; removed") \
    RULE(tag_key_repeated_go,     "tag-key-repeated-go",     STRONG,   SPAN,    TAG,        "OTQ",  GO,  "a tag key stands twice on a span of an agent that overwrites tags") \
    RULE(span_type_unknown,       "span-type-unknown",       HINT,     SPAN,    OBSERVE,    "OTQ",  ANY, "the span type is none of Entry, Exit, Local") \
    RULE(span_layer_unknown,      "span-layer-unknown",      HINT,     SPAN,    OBSERVE,    "OTQ",  ANY, "the span layer is a number this version does not know") \
    RULE(ref_type_unknown,        "ref-type-unknown",        HINT,     SPAN,    OBSERVE,    "OTQ",  ANY, "a reference is neither CrossProcess nor CrossThread") \
    RULE(go_impossible_flag,      "go-impossible-flag",      HINT,     SEGMENT, OBSERVE,    "OTQ",  ANY, "an id of the Go agent, but a flag or reference type that it never sets") \
    /* 1.5 references */ \
    RULE(ref_self_loop,           "ref-self-loop",           PROOF,    SPAN,    TAG,        "OTQ",  ANY, "a reference into its own segment, to its own span or to one that is not there") \
    RULE(ref_crossthread_foreign, "ref-crossthread-foreign", PROOF,    SPAN,    TAG,        "OTQ",  ANY, "a CrossThread reference to another service or instance") \
    RULE(ref_trace_mismatch_go,   "ref-trace-mismatch-go",   STRONG,   SPAN,    TAG,        "OTQ",  GO,  "a reference with another trace id than its segment") \
    RULE(ref_malformed,           "ref-malformed",           EXTERNAL, SPAN,    OBSERVE,    "OTQ",  ANY, "a reference that lacks an id, has a negative span id or an overlong field") \
    /* 1.6 backend poison */ \
    RULE(poison_cache_tag_repeat, "poison-cache-tag-repeat", POISON,   SPAN,    REPAIR,     "ORQ",  ANY, "a Cache span repeats a tag key; OAP would lose the segment") \
    RULE(poison_logic_endpoint,   "poison-logic-endpoint",   POISON,   SPAN,    REPAIR,     "ORQ",  ANY, "tag x-le is not what OAP parses unguarded; OAP would lose the segment") \
    RULE(poison_transmission_latency, "poison-transmission-latency", POISON, SPAN, REPAIR,  "ORQ",  ANY, "tag transmission.latency of an MQ span is no number; OAP would lose the segment") \
    RULE(poison_column,           "poison-column",           POISON,   SEGMENT, OBSERVE,    "OQ",   ANY, "an id or name too long for a database column: quarantined with upstream.storage: jdbc") \
    /* stored messages other than segments */ \
    RULE(event_layer_empty,       "event-layer-empty",       PROOF,    STORED,  QUARANTINE, "Q",    ANY, "an event without a layer; OAP would end the whole stream") \
    RULE(log_service_missing,     "log-service-missing",     PROOF,    STORED,  QUARANTINE, "Q",    ANY, "no service in this log nor before it on its stream; OAP drops it silently") \
    RULE(log_nul,                 "log-nul",                 EXTERNAL, STORED,  REPAIR,     "RQ",   ANY, "U+0000 in a log; it becomes \\x00, else PostgreSQL loses the batch") \
    /* 2 rules with memory */ \
    RULE(segment_duplicate_identical, "segment-duplicate-identical", HINT, STATE, DROP,     "OD",   ANY, "the same segment again within integrity.window, byte for byte; the copy is dropped") \
    RULE(segment_id_reused,       "segment-id-reused",       HINT,     STATE,   OBSERVE,    "OQ",   ANY, "a segment id again from the same instance, with other content") \
    RULE(segment_id_two_instances, "segment-id-two-instances", HINT,   STATE,   OBSERVE,    "O",    ANY, "a segment id again from another instance") \
    RULE(poison_id_again,         "poison-id-again",         POISON,   STATE,   OBSERVE,    "OQ",   ANY, "a segment id that is stored already: quarantined with upstream.storage: jdbc, where it would cost the batch") \
    RULE(tear_suspect,            "tear-suspect",            HINT,     STATE,   OBSERVE,    "O",    ANY, "a peer seen once that looks cut from two well-known ones") \
    RULE(identity_flip,           "identity-flip",           HINT,     STATE,   OBSERVE,    "O",    ANY, "one segment of another instance in a long stream of one instance") \
    RULE(stream_self_reset,       "stream-self-reset",       HINT,     STATE,   OBSERVE,    "O",    ANY, "a Go agent resets its own stream and opens it again, three times a minute or more") \
    RULE(go_orphan_root_share,    "go-orphan-root-share",    HINT,     STATE,   OBSERVE,    "O",    ANY, "40 % of a Go instance's segments in 10 minutes are single Exit spans without a reference") \
    RULE(near_known_service,      "near-known-service",      HINT,     STATE,   OBSERVE,    "O",    ANY, "a rare service name that extends or cuts a known one, in the stream of another") \
    RULE(instance_churn,          "instance-churn",          HINT,     STATE,   OBSERVE,    "O",    ANY, "four instances of one service and host in 30 minutes, one after another, each ended abruptly") \
    RULE(language_conflict,       "language-conflict",       HINT,     STATE,   OBSERVE,    "O",    ANY, "one instance reports two languages")
/* clang-format on */

#endif
