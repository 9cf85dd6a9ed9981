/* Every setting: where it stands, what it is, its default and bounds, and one sentence about it. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Source: product.md 3. Words only. struct conf, the parser, the range checks, the names in the
 * environment, "config example" and docs/configuration.md are all made from this table.
 *
 * SECTION(path, name, sentence) ... END(name) nest as in the YAML file.
 * OPTION(section, name, type, detail, default, least, most, reload, sentence)
 *   section  its path with a dot behind it; empty at the top
 *   type     BOOL INT INT_AUTO FACTOR SIZE SIZE_AUTO DURATION PERCENT ENUM STRING PATH ADDRESS
 *            SECRET STRINGS ADDRESSES SECRETS PAIRS ACTIONS SERVICES; SECRET and SECRETS have a
 *            twin <name>_file that names a file with the value
 *   detail   of ENUM: which of OPTION_ENUMS; else NONE
 *   default  as one would write it; "auto" of the AUTO types is worked out by conf_check
 *   least, most  as one would write them; "" for none
 *   reload   LIVE: daemon_reload takes it up; RESTART: it only says that a restart is needed */
#ifndef TABLES_OPTIONS_H
#define TABLES_OPTIONS_H

/* clang-format off */
#define OPTIONS(SECTION, OPTION, END) \
    OPTION(, version, INT, NONE, "1", "1", "1", RESTART, "the version of this file's layout") \
    SECTION("listen", listen, "where agents connect") \
      SECTION("listen.grpc", grpc, "gRPC in clear text, HTTP/2 with prior knowledge") \
        OPTION(listen.grpc., address, ADDRESS, NONE, "0.0.0.0:11800", "", "", RESTART, "address of the agents' port; empty = off") \
      END(grpc) \
      SECTION("listen.grpc_tls", grpc_tls, "gRPC over TLS") \
        OPTION(listen.grpc_tls., address, ADDRESS, NONE, "", "", "", RESTART, "address of the agents' TLS port; empty = off") \
        OPTION(listen.grpc_tls., cert_file, PATH, NONE, "", "", "", RESTART, "certificate chain, PEM") \
        OPTION(listen.grpc_tls., key_file, PATH, NONE, "", "", "", RESTART, "private key, PEM") \
        OPTION(listen.grpc_tls., client_ca_file, PATH, NONE, "", "", "", RESTART, "certificates that sign the agents' own, PEM") \
        OPTION(listen.grpc_tls., client_auth, ENUM, client_auth, "none", "", "", RESTART, "whether agents must show a certificate") \
      END(grpc_tls) \
      SECTION("listen.http", http, "HTTP and JSON, for agents without gRPC") \
        OPTION(listen.http., address, ADDRESS, NONE, "0.0.0.0:12800", "", "", RESTART, "address of the HTTP port; empty = off") \
        OPTION(listen.http., max_body, SIZE, NONE, "10MiB", "1KiB", "256MiB", RESTART, "largest request body") \
        OPTION(listen.http., cors_origins, STRINGS, NONE, "[\"*\"]", "", "", RESTART, "origins of pages that may report") \
      END(http) \
      OPTION(listen., max_message, SIZE_AUTO, NONE, "auto", "64KiB", "1GiB", RESTART, "largest message; auto: 50MiB as OAP, at most a quarter of limits.memory; a larger one in a stream is skipped and the stream goes on") \
      OPTION(listen., max_streams, INT, NONE, "256", "1", "100000", RESTART, "calls open at once on one connection") \
      OPTION(listen., max_connection_age, DURATION, NONE, "0s", "0s", "30d", RESTART, "gRPC connections older than this, +-10 %, are told to go; 0s = off: ending a Go agent's stream always loses data") \
      SECTION("listen.keepalive", keepalive, "asking silent connections whether they live") \
        OPTION(listen.keepalive., idle, DURATION, NONE, "60s", "1s", "1d", RESTART, "silence before a ping") \
        OPTION(listen.keepalive., timeout, DURATION, NONE, "20s", "1s", "1h", RESTART, "a ping without an answer for so long ends the connection") \
      END(keepalive) \
      SECTION("listen.auth", auth, "who may report") \
        OPTION(listen.auth., tokens, SECRETS, NONE, "[]", "", "", LIVE, "accepted values of the authentication metadata; none = everybody") \
        OPTION(listen.auth., exempt_control_calls, BOOL, NONE, "true", "", "", LIVE, "let control calls in without a token, as Go agents send them") \
      END(auth) \
    END(listen) \
    SECTION("limits", limits, "what the process may use") \
      OPTION(limits., memory, SIZE_AUTO, NONE, "auto", "32MiB", "", RESTART, "memory for everything agents send; auto: 60 % of the cgroup limit, else 512MiB") \
      OPTION(limits., max_connections, INT, NONE, "10000", "1", "1000000", RESTART, "agent connections open at once") \
      OPTION(limits., workers, INT_AUTO, NONE, "auto", "1", "256", RESTART, "worker threads; auto: the CPU quota, at most 4") \
    END(limits) \
    SECTION("integrity", integrity, "how segments are judged") \
      OPTION(integrity., mode, ENUM, mode, "enforce", "", "", LIVE, "off, observe (count only) or enforce; what OAP cannot parse is set aside in every mode") \
      OPTION(integrity., actions, ACTIONS, NONE, "{}", "", "", LIVE, "rule: action, within what the rule allows; actions: observe, tag, repair, quarantine, drop") \
      OPTION(integrity., services, SERVICES, NONE, "[]", "", "", LIVE, "modes for segments by service (* and ?), first match wins: [{match: \"legacy-*\", mode: observe}]") \
      OPTION(integrity., max_spans, INT, NONE, "100000", "1", "10000000", LIVE, "spans of one segment that are judged; beyond it only the bytes are checked") \
      OPTION(integrity., window, DURATION, NONE, "300s", "0s", "1h", LIVE, "how long rules over several segments remember; 0s = off") \
      OPTION(integrity., window_memory, SIZE_AUTO, NONE, "auto", "1MiB", "", LIVE, "memory of that window, though a worker may take 1.5MiB; auto: 64MiB, at most 12 % of limits.memory") \
    END(integrity) \
    SECTION("buffer", buffer, "where messages wait for the backend") \
      OPTION(buffer., mode, ENUM, buffer_mode, "durable", "", "", RESTART, "durable (all through the disk), spill (disk when memory is full or no backend is there) or memory; with the built-in sink memory, unless this or buffer.disk.path is set") \
      OPTION(buffer., ack, ENUM, ack, "buffered", "", "", RESTART, "when an agent's call is answered: received (in memory), buffered (on disk in mode durable) or forwarded (the backend has it)") \
      SECTION("buffer.memory", memory, "the part in memory") \
        OPTION(buffer.memory., max, SIZE_AUTO, NONE, "auto", "1MiB", "", RESTART, "bytes of messages held in memory; auto: 40 % of limits.memory") \
      END(memory) \
      SECTION("buffer.disk", disk, "the part on disk") \
        OPTION(buffer.disk., path, PATH, NONE, "/var/lib/spangate/spool", "", "", RESTART, "directory of the spool") \
        OPTION(buffer.disk., max, SIZE, NONE, "4GiB", "64MiB", "", RESTART, "size of the spool") \
        OPTION(buffer.disk., min_free, SIZE, NONE, "512MiB", "0B", "", RESTART, "space left free on the file system") \
        OPTION(buffer.disk., sync, ENUM, sync, "group", "", "", RESTART, "group (before the answer), interval (each second) or none") \
        OPTION(buffer.disk., max_age, DURATION, NONE, "24h", "1s", "30d", RESTART, "older messages are dropped as expired, in memory too") \
      END(disk) \
      OPTION(buffer., when_full, ENUM, when_full, "backpressure", "", "", RESTART, "backpressure (agents wait), drop_oldest or drop_newest") \
    END(buffer) \
    SECTION("batch", batch, "how messages travel together; the first bound that is met sends") \
      OPTION(batch., max_items, INT, NONE, "500", "1", "100000", RESTART, "messages of one call") \
      OPTION(batch., max_size, SIZE, NONE, "1MiB", "1KiB", "64MiB", RESTART, "bytes of one call") \
      OPTION(batch., max_delay, DURATION, NONE, "200ms", "1ms", "1m", RESTART, "how long the first message of a call waits for company") \
    END(batch) \
    SECTION("upstream", upstream, "where messages go") \
      OPTION(upstream., kind, ENUM, upstream_kind, "oap", "", "", RESTART, "oap, kafka (what OAP's fetcher has no topic for goes to upstream.addresses, if any), sink (built in) or discard (for benchmarks)") \
      OPTION(upstream., addresses, ADDRESSES, NONE, "[]", "", "", RESTART, "OAPs as host:port or dns:///name:port, names are resolved again and again") \
      OPTION(upstream., segments, ENUM, segments, "collect_in_sync", "", "", RESTART, "collect_in_sync (OAP takes a batch whole or not at all; collect where OAP lacks it) or collect") \
      OPTION(upstream., storage, ENUM, storage, "any", "", "", LIVE, "any or jdbc: protects OAP's database batches") \
      SECTION("upstream.tls", tls, "TLS towards OAP") \
        OPTION(upstream.tls., enabled, BOOL, NONE, "false", "", "", RESTART, "speak TLS") \
        OPTION(upstream.tls., ca_file, PATH, NONE, "", "", "", RESTART, "certificates to trust, PEM; empty: the system's") \
        OPTION(upstream.tls., cert_file, PATH, NONE, "", "", "", RESTART, "our certificate, PEM") \
        OPTION(upstream.tls., key_file, PATH, NONE, "", "", "", RESTART, "our private key, PEM") \
        OPTION(upstream.tls., server_name, STRING, NONE, "", "", "", RESTART, "name expected in OAP's certificate; empty: the address's") \
        OPTION(upstream.tls., insecure_skip_verify, BOOL, NONE, "false", "", "", RESTART, "trust any certificate; for trials only") \
      END(tls) \
      OPTION(upstream., auth_token, SECRET, NONE, "", "", "", LIVE, "token on every call of ours; empty: none") \
      SECTION("upstream.timeout", timeout, "how long to wait for OAP") \
        OPTION(upstream.timeout., connect, DURATION, NONE, "3s", "10ms", "5m", RESTART, "for a connection") \
        OPTION(upstream.timeout., unary, DURATION, NONE, "5s", "10ms", "1h", RESTART, "for the answer to a relayed unary call") \
        OPTION(upstream.timeout., ack, DURATION, NONE, "20s", "10ms", "1h", RESTART, "for the answer to a batch") \
      END(timeout) \
      SECTION("upstream.retry", retry, "sending a batch again") \
        OPTION(upstream.retry., initial, DURATION, NONE, "200ms", "1ms", "1h", RESTART, "wait before the second try") \
        OPTION(upstream.retry., max, DURATION, NONE, "30s", "1ms", "1d", RESTART, "longest wait") \
        OPTION(upstream.retry., multiplier, FACTOR, NONE, "2", "1", "100", RESTART, "each wait is so many times the one before") \
        OPTION(upstream.retry., jitter, PERCENT, NONE, "20%", "0%", "100%", RESTART, "waits differ by up to this, so that replicas do not come at once") \
      END(retry) \
      OPTION(upstream., max_inflight, INT, NONE, "32", "1", "10000", RESTART, "batches without an answer per backend, all workers together") \
      OPTION(upstream., dns_interval, DURATION, NONE, "30s", "1s", "1d", RESTART, "how often names are resolved again") \
      SECTION("upstream.kafka", kafka, "OAP's Kafka fetcher as the backend") \
        OPTION(upstream.kafka., brokers, ADDRESSES, NONE, "[]", "", "", RESTART, "brokers as host:port; kind kafka needs one") \
        OPTION(upstream.kafka., namespace, STRING, NONE, "", "", "", RESTART, "prefix of all topics (<namespace>-<topic>), as in OAP's fetcher") \
        OPTION(upstream.kafka., topics, PAIRS, NONE, "{}", "", "", RESTART, "topics by name or signal where they are not OAP's own, as segments: my-segments") \
        OPTION(upstream.kafka., properties, PAIRS, NONE, "{}", "", "", RESTART, "librdkafka's own settings, as security.protocol, sasl.mechanism, compression.type; secrets are masked when shown") \
      END(kafka) \
    END(upstream) \
    SECTION("relay", relay, "calls that need OAP's own answer") \
      OPTION(relay., enabled, BOOL, NONE, "true", "", "", RESTART, "pass them to OAP") \
      OPTION(relay., unknown_methods, BOOL, NONE, "true", "", "", RESTART, "pass unknown methods too") \
      OPTION(relay., cds_cache, DURATION, NONE, "0s", "0s", "1h", RESTART, "answer repeated questions for dynamic configuration from memory for so long; 0s = off") \
    END(relay) \
    SECTION("quarantine", quarantine, "where sick messages are set aside") \
      OPTION(quarantine., path, PATH, NONE, "/var/lib/spangate/quarantine", "", "", RESTART, "its directory") \
      OPTION(quarantine., max, SIZE, NONE, "1GiB", "64KiB", "", RESTART, "its size, the oldest leaves first; while the disk cannot be used it is kept in memory, at most 8 % of limits.memory") \
      OPTION(quarantine., ttl, DURATION, NONE, "7d", "1m", "365d", RESTART, "how long messages are kept") \
      OPTION(quarantine., redact_tags, STRINGS, NONE, "[]", "", "", RESTART, "tags whose values are not kept: each byte of them becomes a star in what is set aside") \
    END(quarantine) \
    SECTION("telemetry", telemetry, "the read-only port: /metrics /livez /readyz /healthz /buildinfo") \
      OPTION(telemetry., address, ADDRESS, NONE, "0.0.0.0:1234", "", "", RESTART, "its address; empty = off") \
      OPTION(telemetry., top_instances, INT, NONE, "200", "0", "100000", RESTART, "instances with metrics of their own; the rest counts as __other__") \
      OPTION(telemetry., max_series, INT, NONE, "5000", "100", "1000000", RESTART, "series of instances, three each, beyond which they count as __other__") \
      SECTION("telemetry.oap", oap, "our own metrics, reported to OAP") \
        OPTION(telemetry.oap., enabled, BOOL, NONE, "false", "", "", RESTART, "report them as meters, through our own buffer") \
        OPTION(telemetry.oap., interval, DURATION, NONE, "10s", "1s", "1h", RESTART, "how often") \
        OPTION(telemetry.oap., service, STRING, NONE, "spangate", "", "", RESTART, "as which service") \
        OPTION(telemetry.oap., instance, STRING, NONE, "", "", "", RESTART, "as which instance; empty: the host name") \
      END(oap) \
    END(telemetry) \
    SECTION("admin", admin, "the operator's API and dashboard") \
      OPTION(admin., address, ADDRESS, NONE, "127.0.0.1:11880", "", "", RESTART, "its address; empty = off") \
      OPTION(admin., socket, PATH, NONE, "", "", "", RESTART, "a Unix socket for it, for the same user alone; empty = off") \
      OPTION(admin., token_file, PATH, NONE, "", "", "", RESTART, "file with the token, at least 8 characters; a must beyond loopback, and then asked for at every change") \
      OPTION(admin., ui, BOOL, NONE, "true", "", "", RESTART, "serve the dashboard at /ui") \
    END(admin) \
    SECTION("log", log, "lines on standard error") \
      OPTION(log., level, ENUM, log_level, "info", "", "", LIVE, "error, warn, info or debug") \
      OPTION(log., format, ENUM, log_format, "auto", "", "", LIVE, "auto (readable on a terminal, else logfmt), readable, logfmt or json") \
    END(log) \
    SECTION("shutdown", shutdown, "what happens on SIGTERM, in this order") \
      OPTION(shutdown., delay, DURATION, NONE, "0s", "0s", "1h", RESTART, "keep serving, not ready, until balancers have noticed") \
      OPTION(shutdown., drain, DURATION, NONE, "20s", "0s", "1h", RESTART, "how long agents may finish their calls and batches their way") \
      OPTION(shutdown., flush, DURATION, NONE, "0s", "0s", "1d", RESTART, "after the listeners closed, forward until the buffer is empty or this is over") \
    END(shutdown) \
    SECTION("reload", reload, "taking up a changed file") \
      OPTION(reload., watch, BOOL, NONE, "false", "", "", RESTART, "reload when the file given with -c or one of a secret changes, looked at each second, through links") \
    END(reload)

/* ENUM(name, values): VALUE(token, word), the words in the order of their numbers. */
#define OPTION_ENUMS(ENUM, VALUE) \
    ENUM(client_auth, VALUE(CLIENT_AUTH_NONE, "none") VALUE(CLIENT_AUTH_REQUEST, "request") VALUE(CLIENT_AUTH_REQUIRE, "require")) \
    ENUM(mode, VALUE(MODE_OFF, "off") VALUE(MODE_OBSERVE, "observe") VALUE(MODE_ENFORCE, "enforce")) \
    ENUM(buffer_mode, VALUE(BUFFER_DURABLE, "durable") VALUE(BUFFER_SPILL, "spill") VALUE(BUFFER_MEMORY, "memory")) \
    ENUM(ack, VALUE(ACK_RECEIVED, "received") VALUE(ACK_BUFFERED, "buffered") VALUE(ACK_FORWARDED, "forwarded")) \
    ENUM(sync, VALUE(SYNC_GROUP, "group") VALUE(SYNC_INTERVAL, "interval") VALUE(SYNC_NONE, "none")) \
    ENUM(when_full, VALUE(FULL_BACKPRESSURE, "backpressure") VALUE(FULL_DROP_OLDEST, "drop_oldest") VALUE(FULL_DROP_NEWEST, "drop_newest")) \
    ENUM(upstream_kind, VALUE(KIND_OAP, "oap") VALUE(KIND_KAFKA, "kafka") VALUE(KIND_SINK, "sink") VALUE(KIND_DISCARD, "discard")) \
    ENUM(segments, VALUE(SEGMENTS_COLLECT_IN_SYNC, "collect_in_sync") VALUE(SEGMENTS_COLLECT, "collect")) \
    ENUM(storage, VALUE(STORAGE_ANY, "any") VALUE(STORAGE_JDBC, "jdbc")) \
    ENUM(log_level, VALUE(LOG_LEVEL_ERROR, "error") VALUE(LOG_LEVEL_WARN, "warn") VALUE(LOG_LEVEL_INFO, "info") VALUE(LOG_LEVEL_DEBUG, "debug")) \
    ENUM(log_format, VALUE(LOG_FORMAT_AUTO, "auto") VALUE(LOG_FORMAT_READABLE, "readable") VALUE(LOG_FORMAT_LOGFMT, "logfmt") VALUE(LOG_FORMAT_JSON, "json"))

/* EXAMPLE(path, value): what "config example" shows where the default alone is no working file. */
#define OPTION_EXAMPLES(EXAMPLE) \
    EXAMPLE("upstream.addresses", "[\"oap:11800\"]")

/* CODE(number, what happened, what to do): printed as C001 and so on; a number never changes its
 * meaning. 1-19 the file and its places, 20-29 single values, 30-59 settings against each other and
 * against the machine, 60-69 Kafka, 70-79 SkyWalking Satellite's variables. Gone, never to be used
 * again: 101 to 118. */
#define OPTION_CODES(CODE) \
    CODE(1,   "the file cannot be read",                    "check the path and its rights") \
    CODE(2,   "the file is no valid YAML",                  "look at the place the caret shows and at the lines before it") \
    CODE(3,   "the file is too large or too deep",          "a configuration has at most 1 MiB and 16 levels") \
    CODE(4,   "anchors, aliases, tags and merges are not supported", "write the value out, or use ${VAR}") \
    CODE(5,   "the file is not one mapping of keys",        "start with version: 1 and the sections below it") \
    CODE(11,  "a key stands twice",                         "remove one of the two") \
    CODE(12,  "unknown key",                                "see: spangate config example") \
    CODE(13,  "a section where a value belongs, or the other way round", "see: spangate config example") \
    CODE(14,  "unknown SPANGATE_ variable",                 "names are the path in upper case with __ for each dot; others need another prefix") \
    CODE(15,  "a --set that is no path=value",              "write --set section.key=value") \
    CODE(16,  "a ${...} that is not well formed",           "write ${NAME}, ${NAME:default} or ${NAME:?message}; $$ is a dollar sign") \
    CODE(17,  "a variable of the environment is not set",   "set it, or give a default: ${NAME:default}") \
    CODE(18,  "a secret's file cannot be used",             "it must be a readable file of at most 64 KiB of text") \
    CODE(19,  "a secret and its _file twin are both set",   "keep one of the two") \
    CODE(20,  "the value is of the wrong kind",             "see: spangate config example") \
    CODE(21,  "the value has no unit",                      "sizes: B KiB MiB GiB; times: ms s m h d; shares: %") \
    CODE(22,  "the unit is unknown",                        "sizes: B KiB MiB GiB; times: ms s m h d; shares: %") \
    CODE(23,  "the value is out of bounds",                 "choose one within the bounds shown") \
    CODE(24,  "the word is none of the possible ones",      "choose one of the words shown") \
    CODE(25,  "the address is not well formed",             "write host:port, [v6]:port, or dns:///name:port for a backend; a socket as its path from / on") \
    CODE(26,  "there is no such rule",                      "see: spangate lint --help and docs/rules.md") \
    CODE(27,  "the rule does not allow this action",        "choose one of the actions shown") \
    CODE(28,  "the text holds what it must not hold",       "remove control characters") \
    CODE(30,  "there is nowhere to forward to",             "set upstream.addresses; to try without OAP: spangate serve --sink") \
    CODE(31,  "the upstream is one of our own listeners",   "point upstream.addresses at OAP") \
    CODE(32,  "two listeners share a port",                 "give one of them another port") \
    CODE(33,  "the parts of memory do not fit together",    "lower buffer.memory.max or raise limits.memory") \
    CODE(34,  "the admin port is reachable from outside without a token", "set admin.token_file, or bind 127.0.0.1") \
    CODE(35,  "everybody on this machine can read a secret", "chmod o-r FILE") \
    CODE(36,  "client certificates are asked for, but none are trusted", "set listen.grpc_tls.client_ca_file") \
    CODE(37,  "a certificate without its key, or the other way round", "set both or none") \
    CODE(38,  "a waiting time is longer than its longest",  "raise upstream.retry.max or lower upstream.retry.initial") \
    CODE(39,  "a backend stands twice in the list",         "remove one of the two") \
    CODE(40,  "there is no port for agents",                "set listen.grpc.address or listen.grpc_tls.address") \
    CODE(41,  "a batch larger than the buffer",             "lower batch.max_size or raise buffer.memory.max") \
    CODE(42,  "a message may be larger than the memory",    "lower listen.max_message or raise limits.memory and buffer.memory.max") \
    CODE(43,  "a directory that is no whole path",          "write it from / on, as /var/lib/spangate/spool") \
    CODE(44,  "the disk holds less than the memory",        "raise buffer.disk.max or lower buffer.memory.max") \
    CODE(45,  "the quota is below two files",               "raise quarantine.max") \
    CODE(46,  "a message may be larger than the spool",     "lower listen.max_message or raise buffer.disk.max") \
    CODE(47,  "spool and quarantine share a directory",     "give each its own, neither inside the other") \
    CODE(48,  "answered messages are not on disk",          "set buffer.mode: durable, or buffer.ack: received to say it is meant") \
    CODE(49,  "the directory lives in memory",              "choose one on a disk: a tmpfs is empty after a restart of the machine and counts as memory") \
    CODE(50,  "the disk has less space than the settings use", "free space, or lower buffer.disk.max, quarantine.max or buffer.disk.min_free") \
    CODE(51,  "a certificate, its key or trusted certificates cannot be used", "check the path, its rights, and that it is PEM without a password") \
    CODE(52,  "the key belongs to another certificate",     "name the two that were made together") \
    CODE(53,  "the certificate is not valid now",           "renew it: peers that check it refuse the connection") \
    CODE(54,  "the certificate expires soon",               "renew it; the new file is taken up by itself") \
    CODE(55,  "the backend is not checked",                 "remove upstream.tls.insecure_skip_verify and set upstream.tls.ca_file") \
    CODE(56,  "a TLS setting without effect",               "set listen.grpc_tls.address, or upstream.tls.enabled, or remove it") \
    CODE(60,  "there is no Kafka broker to forward to",     "set upstream.kafka.brokers") \
    CODE(61,  "librdkafka does not take a property",        "see docs/kafka.md, and librdkafka's CONFIGURATION.md for names and values") \
    CODE(62,  "a property that spangate sets itself",       "remove it; docs/kafka.md names the setting to use instead") \
    CODE(63,  "a topic that cannot be",                     "left: segments, metrics, meters, managements, profilings or logs; right: 1 to 249 of a-z A-Z 0-9 . _ -") \
    CODE(64,  "some data has no way to OAP",                "OAP reads no topic of it: set upstream.addresses too, else it is answered OK and counted as dropped (policy)") \
    CODE(65,  "Kafka settings without effect",              "set upstream.kind: kafka, or remove upstream.kafka") \
    CODE(70,  "a variable of SkyWalking Satellite is taken over", "nothing; spangate config convert --from satellite writes a file instead") \
    CODE(71,  "a variable of SkyWalking Satellite has no effect", "remove it, or see docs/migrate-from-satellite.md")
/* clang-format on */

#endif
