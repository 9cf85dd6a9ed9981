/* Every setting of SkyWalking Satellite: its variable, its place in Satellite's file, and ours. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Source: Satellite 1.3 and its main branch of April 2026. Words only; conf/conf_satellite.c turns
 * values, conf/conf_satellite_file.c reads the file.
 *
 * SATELLITE(token, variable, key, how, setting, words)
 *   variable  honoured at start; * is any word; "" none
 *   key       names from the top, joined by dots; an item of a list in sharing goes by its
 *             plugin_name, the pipes and their forwarders are one
 *   how       TEXT as it is | FLAG | COUNT | LISTEN address of a listener | BACKENDS | BROKERS |
 *             SECONDS a whole number of them | SPAN Go's way of writing time | LEVEL |
 *             TLS_CLIENT, TLS_KAFKA, TLS_SERVER files that count only with TLS on | EXPORT |
 *             OAP, OAP_SECONDS count only with the exporter metrics_service |
 *             FINDER, KUBERNETES | FIXED nothing but the value in words will do |
 *             QUEUE, PARTITION, SEGMENT, SEGMENTS, DIRECTORY, FLUSH the queues |
 *             MOST the largest of all pipes, LEAST_MILLIS the smallest |
 *             PROPERTY of librdkafka, its name behind the colon of setting; ACKS, CODEC, MINUTES
 *             likewise | TOPIC |
 *             PLUGIN one of the patterns in words, else it cannot be taken over |
 *             SILENT only holds their file together | NONE there is no counterpart and none needed
 *   words     what is different here; "" nothing
 */
#ifndef TABLES_SATELLITE_H
#define TABLES_SATELLITE_H

/* clang-format off */
#define SATELLITES(SATELLITE) \
    SATELLITE(LEVEL,           "SATELLITE_LOGGER_LEVEL",        "logger.level",        LEVEL,  "log.level", "") \
    SATELLITE(LOG_PATTERN,     "SATELLITE_LOGGER_LOG_PATTERN",  "logger.log_pattern",  NONE,   "", "the form of a line is fixed; log.format chooses readable, logfmt or json") \
    SATELLITE(TIME_PATTERN,    "SATELLITE_LOGGER_TIME_PATTERN", "logger.time_pattern", NONE,   "", "times are RFC 3339 in UTC") \
    SATELLITE(EXPORT,          "SATELLITE_TELEMETRY_EXPORT_TYPE", "telemetry.export_type", EXPORT, "telemetry.oap.enabled", "") \
    SATELLITE(CLUSTER,         "SATELLITE_TELEMETRY_CLUSTER",   "telemetry.cluster",   NONE,   "", "give it as a label where the metrics are scraped") \
    SATELLITE(OAP_SERVICE,     "SATELLITE_TELEMETRY_SERVICE",   "telemetry.service",   OAP,    "telemetry.oap.service", "") \
    SATELLITE(OAP_INSTANCE,    "SATELLITE_TELEMETRY_INSTANCE",  "telemetry.instance",  OAP,    "telemetry.oap.instance", "") \
    SATELLITE(TELEMETRY,       "SATELLITE_TELEMETRY_PROMETHEUS_ADDRESS",  "telemetry.prometheus.address",  LISTEN, "telemetry.address", "") \
    SATELLITE(ENDPOINT,        "SATELLITE_TELEMETRY_PROMETHEUS_ENDPOINT", "telemetry.prometheus.endpoint", FIXED,  "", "/metrics") \
    SATELLITE(METRICS_CLIENT,  "SATELLITE_TELEMETRY_METRICS_SERVICE_CLIENT_NAME", "telemetry.metrics_service.client_name", SILENT, "", "") \
    SATELLITE(METRICS_INTERVAL, "SATELLITE_TELEMETRY_METRICS_SERVICE_INTERVAL", "telemetry.metrics_service.interval", OAP_SECONDS, "telemetry.oap.interval", "") \
    SATELLITE(METRIC_PREFIX,   "SATELLITE_TELEMETRY_METRICS_SERVICE_METRIC_PREFIX", "telemetry.metrics_service.metric_prefix", NONE, "", "our metrics begin with spangate_") \
    SATELLITE(PPROF,           "SATELLITE_TELEMETRY_PPROF_ADDRESS", "telemetry.pprof.address", NONE, "", "a profile of a Go program; use perf here") \
    \
    SATELLITE(FINDER,          "SATELLITE_GRPC_CLIENT_FINDER",  "sharing.clients.grpc-client.finder_type", FINDER, "upstream.addresses", "") \
    SATELLITE(BACKENDS,        "SATELLITE_GRPC_CLIENT",         "sharing.clients.grpc-client.server_addr", BACKENDS, "upstream.addresses", "") \
    SATELLITE(K8S_SERVER,      "SATELLITE_GRPC_CLIENT_KUBERNETES_API_SERVER", "sharing.clients.grpc-client.kubernetes_config.api_server", NONE, "", "backends are found by DNS, no API server is asked") \
    SATELLITE(K8S_USER,        "SATELLITE_GRPC_CLIENT_KUBERNETES_BASIC_AUTH_USERNAME", "sharing.clients.grpc-client.kubernetes_config.basic_auth.username", NONE, "", "backends are found by DNS, no API server is asked") \
    SATELLITE(K8S_PASSWORD,    "SATELLITE_GRPC_CLIENT_KUBERNETES_BASIC_AUTH_PASSWORD", "sharing.clients.grpc-client.kubernetes_config.basic_auth.password", NONE, "", "backends are found by DNS, no API server is asked") \
    SATELLITE(K8S_PASSWORD_FILE, "SATELLITE_GRPC_CLIENT_KUBERNETES_BASIC_AUTH_PASSWORD_FILE", "sharing.clients.grpc-client.kubernetes_config.basic_auth.password_file", NONE, "", "backends are found by DNS, no API server is asked") \
    SATELLITE(K8S_BEARER,      "SATELLITE_GRPC_CLIENT_KUBERNETES_BEARER_TOKEN", "sharing.clients.grpc-client.kubernetes_config.bearer_token", NONE, "", "backends are found by DNS, no API server is asked") \
    SATELLITE(K8S_BEARER_FILE, "SATELLITE_GRPC_CLIENT_KUBERNETES_BEARER_TOKEN_FILE", "sharing.clients.grpc-client.kubernetes_config.bearer_token_file", NONE, "", "backends are found by DNS, no API server is asked") \
    SATELLITE(K8S_PROXY,       "SATELLITE_GRPC_CLIENT_KUBERNETES_PROXY_URL", "sharing.clients.grpc-client.kubernetes_config.proxy_url", NONE, "", "backends are found by DNS, no API server is asked") \
    SATELLITE(K8S_CA,          "SATELLITE_GRPC_CLIENT_KUBERNETES_TLS_CONFIG_CA_FILE", "sharing.clients.grpc-client.kubernetes_config.tls_config.ca_file", NONE, "", "backends are found by DNS, no API server is asked") \
    SATELLITE(K8S_CERT,        "SATELLITE_GRPC_CLIENT_KUBERNETES_TLS_CONFIG_CERT_FILE", "sharing.clients.grpc-client.kubernetes_config.tls_config.cert_file", NONE, "", "backends are found by DNS, no API server is asked") \
    SATELLITE(K8S_KEY,         "SATELLITE_GRPC_CLIENT_KUBERNETES_TLS_CONFIG_KEY_FILE", "sharing.clients.grpc-client.kubernetes_config.tls_config.key_file", NONE, "", "backends are found by DNS, no API server is asked") \
    SATELLITE(K8S_NAME,        "SATELLITE_GRPC_CLIENT_KUBERNETES_TLS_CONFIG_SERVER_NAME", "sharing.clients.grpc-client.kubernetes_config.tls_config.server_name", NONE, "", "backends are found by DNS, no API server is asked") \
    SATELLITE(K8S_INSECURE,    "SATELLITE_GRPC_CLIENT_KUBERNETES_TLS_CONFIG_INSECURE_SKIP_VERIFY", "sharing.clients.grpc-client.kubernetes_config.tls_config.insecure_skip_verify", NONE, "", "backends are found by DNS, no API server is asked") \
    SATELLITE(K8S_NAMESPACE,   "SATELLITE_GRPC_CLIENT_KUBERNETES_NAMESPACE", "sharing.clients.grpc-client.kubernetes_config.namespaces", KUBERNETES, "upstream.addresses", "") \
    SATELLITE(K8S_KIND,        "SATELLITE_GRPC_CLIENT_KUBERNETES_KIND", "sharing.clients.grpc-client.kubernetes_config.kind", KUBERNETES, "", "") \
    SATELLITE(K8S_LABEL,       "SATELLITE_GRPC_CLIENT_KUBERNETES_SELECTOR_LABEL", "sharing.clients.grpc-client.kubernetes_config.selector.label", KUBERNETES, "upstream.addresses", "") \
    SATELLITE(K8S_FIELD,       "SATELLITE_GRPC_CLIENT_KUBERNETES_SELECTOR_FIELD", "sharing.clients.grpc-client.kubernetes_config.selector.field", NONE, "", "backends are found by DNS, no API server is asked") \
    SATELLITE(K8S_PORT,        "SATELLITE_GRPC_CLIENT_KUBERNETES_EXTRA_PORT", "sharing.clients.grpc-client.kubernetes_config.extra_port.port", KUBERNETES, "upstream.addresses", "") \
    SATELLITE(TLS,             "SATELLITE_GRPC_ENABLE_TLS",     "sharing.clients.grpc-client.enable_tls", FLAG, "upstream.tls.enabled", "") \
    SATELLITE(TLS_CERT,        "SATELLITE_GRPC_CLIENT_PEM_PATH", "sharing.clients.grpc-client.client_pem_path", TLS_CLIENT, "upstream.tls.cert_file", "") \
    SATELLITE(TLS_KEY,         "SATELLITE_GRPC_CLIENT_KEY_PATH", "sharing.clients.grpc-client.client_key_path", TLS_CLIENT, "upstream.tls.key_file", "") \
    SATELLITE(TLS_CA,          "SATELLITE_GRPC_CA_PEM_PATH",    "sharing.clients.grpc-client.ca_pem_path", TLS_CLIENT, "upstream.tls.ca_file", "") \
    SATELLITE(TLS_CA_SIC,      "SATELLITE_grpc_CA_PEM_PATH",    "", TLS_CLIENT, "upstream.tls.ca_file", "") \
    SATELLITE(TLS_INSECURE,    "SATELLITE_GRPC_INSECURE_SKIP_VERIFY", "sharing.clients.grpc-client.insecure_skip_verify", TLS_CLIENT, "upstream.tls.insecure_skip_verify", "") \
    SATELLITE(CHECK_PERIOD,    "SATELLITE_GRPC_CHECK_PERIOD",   "sharing.clients.grpc-client.check_period", NONE, "", "every answer and every lost connection is noticed at once") \
    SATELLITE(AUTHENTICATION,  "SATELLITE_GRPC_AUTHENTICATION", "sharing.clients.grpc-client.authentication", TEXT, "upstream.auth_token", "") \
    SATELLITE(TIMEOUT_UNARY,   "SATELLITE_GRPC_TIMEOUT_UNARY",  "sharing.clients.grpc-client.timeout.unary", SPAN, "upstream.timeout.unary", "") \
    SATELLITE(TIMEOUT_STREAM,  "SATELLITE_GRPC_TIMEOUT_STREAM", "sharing.clients.grpc-client.timeout.stream", SPAN, "upstream.timeout.ack", "it bounds the answer to a batch") \
    \
    SATELLITE(KAFKA_BROKERS,   "SATELLITE_KAFKA_CLIENT_BROKERS", "sharing.clients.kafka-client.brokers", BROKERS, "upstream.kafka.brokers", "") \
    SATELLITE(KAFKA_VERSION,   "SATELLITE_KAFKA_VERSION",       "sharing.clients.kafka-client.version", NONE, "", "the version is negotiated") \
    SATELLITE(KAFKA_TLS,       "SATELLITE_KAFKA_ENABLE_TLS",    "sharing.clients.kafka-client.enable_tls", TLS_KAFKA, "upstream.kafka.properties:security.protocol", "") \
    SATELLITE(KAFKA_CERT,      "SATELLITE_KAFKA_CLIENT_PEM_PATH", "sharing.clients.kafka-client.client_pem_path", TLS_KAFKA, "upstream.kafka.properties:ssl.certificate.location", "") \
    SATELLITE(KAFKA_KEY,       "SATELLITE_KAFKA_CLIENT_KEY_PATH", "sharing.clients.kafka-client.client_key_path", TLS_KAFKA, "upstream.kafka.properties:ssl.key.location", "") \
    SATELLITE(KAFKA_CA,        "SATELLITE_KAFKA_CA_PEM_PATH",   "sharing.clients.kafka-client.ca_pem_path", TLS_KAFKA, "upstream.kafka.properties:ssl.ca.location", "") \
    SATELLITE(KAFKA_INSECURE,  "", "sharing.clients.kafka-client.insecure_skip_verify", TLS_KAFKA, "upstream.kafka.properties:enable.ssl.certificate.verification", "") \
    SATELLITE(KAFKA_ACKS,      "", "sharing.clients.kafka-client.required_acks", ACKS, "upstream.kafka.properties:acks", "") \
    SATELLITE(KAFKA_RETRY,     "", "sharing.clients.kafka-client.producer_max_retry", NONE, "", "what Kafka does not take is kept and tried again, without a limit") \
    SATELLITE(KAFKA_META,      "", "sharing.clients.kafka-client.meta_max_retry", NONE, "", "metadata are asked for until they come") \
    SATELLITE(KAFKA_BACKOFF,   "", "sharing.clients.kafka-client.retry_backoff", PROPERTY, "upstream.kafka.properties:retry.backoff.ms", "") \
    SATELLITE(KAFKA_SIZE,      "", "sharing.clients.kafka-client.max_message_bytes", PROPERTY, "upstream.kafka.properties:message.max.bytes", "") \
    SATELLITE(KAFKA_IDEMPOTENT, "", "sharing.clients.kafka-client.idempotent_writes", PROPERTY, "upstream.kafka.properties:enable.idempotence", "") \
    SATELLITE(KAFKA_CLIENT,    "", "sharing.clients.kafka-client.client_id", PROPERTY, "upstream.kafka.properties:client.id", "") \
    SATELLITE(KAFKA_CODEC,     "", "sharing.clients.kafka-client.compression_codec", CODEC, "upstream.kafka.properties:compression.codec", "") \
    SATELLITE(KAFKA_REFRESH,   "", "sharing.clients.kafka-client.refresh_period", MINUTES, "upstream.kafka.properties:topic.metadata.refresh.interval.ms", "") \
    SATELLITE(CLIENT_NAME,     "", "sharing.clients.*.plugin_name", PLUGIN, "", "grpc-client kafka-client") \
    \
    SATELLITE(LISTEN,          "SATELLITE_GRPC_ADDRESS",        "sharing.servers.grpc-server.address", LISTEN, "listen.grpc.address", "") \
    SATELLITE(LISTEN_CERT,     "SATELLITE_GRPC_TLS_CERT_FILE",  "sharing.servers.grpc-server.tls_cert_file", TLS_SERVER, "listen.grpc_tls.cert_file", "") \
    SATELLITE(LISTEN_KEY,      "SATELLITE_GRPC_TLS_KEY_FILE",   "sharing.servers.grpc-server.tls_key_file", TLS_SERVER, "listen.grpc_tls.key_file", "") \
    SATELLITE(LIMIT_CPU,       "SATELLITE_GRPC_ACCEPT_LIMIT_CPU_UTILIZATION", "sharing.servers.grpc-server.accept_limit.cpu_utilization", NONE, "", "limits.memory and flow control slow agents down instead") \
    SATELLITE(LIMIT_CONNECTIONS, "SATELLITE_GRPC_ACCEPT_LIMIT_CONNECTION_COUNT", "sharing.servers.grpc-server.accept_limit.connection_count", COUNT, "limits.max_connections", "") \
    SATELLITE(HTTP,            "SATELLITE_HTTP_ADDRESS",        "sharing.servers.http-server.address", LISTEN, "listen.http.address", "") \
    SATELLITE(OLD_TELEMETRY,   "SATELLITE_PROMETHEUS_ADDRESS",  "sharing.servers.prometheus-server.address", LISTEN, "telemetry.address", "") \
    SATELLITE(OLD_ENDPOINT,    "SATELLITE_PROMETHEUS_ENDPOINT", "sharing.servers.prometheus-server.endpoint", FIXED, "", "/metrics") \
    SATELLITE(SERVER_NAME,     "", "sharing.servers.*.plugin_name", PLUGIN, "", "grpc-server http-server prometheus-server") \
    \
    SATELLITE(PIPE_NAME,       "", "pipes.common_config.pipe_name", SILENT, "", "") \
    SATELLITE(PIPE_SERVER,     "", "pipes.gatherer.server_name", SILENT, "", "") \
    SATELLITE(PIPE_CLIENT,     "", "pipes.sender.client_name", SILENT, "", "") \
    SATELLITE(RECEIVER,        "", "pipes.gatherer.receiver.plugin_name", PLUGIN, "", "grpc-native-*-receiver grpc-envoy-*-receiver grpc-otlp-metrics-v1-receiver http-native-log-receiver") \
    SATELLITE(RECEIVER_FLUSH,  "SATELLITE_*_RECEIVER_FLUSH_TIME", "pipes.gatherer.receiver.flush_time", NONE, "", "Envoy's streams are relayed as they come, without a buffer") \
    SATELLITE(RECEIVER_LIMIT,  "SATELLITE_*_RECEIVER_LIMIT_COUNT", "pipes.gatherer.receiver.limit_count", NONE, "", "Envoy's streams are relayed as they come, without a buffer") \
    SATELLITE(QUEUE_NAME,      "", "pipes.gatherer.queue.plugin_name", PLUGIN, "", "memory-queue mmap-queue none-queue") \
    SATELLITE(QUEUE,           "SATELLITE_QUEUE_EVENT_BUFFER_SIZE", "pipes.gatherer.queue.event_buffer_size", QUEUE, "buffer.memory.max", "") \
    SATELLITE(PARTITION,       "SATELLITE_QUEUE_PARTITION",     "pipes.gatherer.queue.partition", PARTITION, "buffer.memory.max", "") \
    SATELLITE(SEGMENT,         "", "pipes.gatherer.queue.segment_size", SEGMENT, "buffer.disk.max", "") \
    SATELLITE(SEGMENTS,        "", "pipes.gatherer.queue.queue_capacity_segments", SEGMENTS, "buffer.disk.max", "") \
    SATELLITE(SEGMENTS_MEMORY, "", "pipes.gatherer.queue.max_in_mem_segments", NONE, "", "memory is bounded by buffer.memory.max") \
    SATELLITE(DIRECTORY,       "", "pipes.gatherer.queue.queue_dir", DIRECTORY, "buffer.disk.path", "") \
    SATELLITE(FLUSH,           "", "pipes.gatherer.queue.flush_period", FLUSH, "buffer.disk.sync", "") \
    SATELLITE(FLUSH_CEILING,   "", "pipes.gatherer.queue.flush_ceiling_num", NONE, "", "a group of writes is as large as what waits") \
    SATELLITE(EVENT_SIZE,      "", "pipes.gatherer.queue.max_event_size", NONE, "", "listen.max_message bounds messages") \
    SATELLITE(FILTERS,         "", "pipes.processor.filters", FIXED, "", "") \
    SATELLITE(FALLBACKER,      "", "pipes.sender.fallbacker.plugin_name", PLUGIN, "", "none-fallbacker timer-fallbacker") \
    SATELLITE(ATTEMPTS,        "", "pipes.sender.fallbacker.max_attempts", NONE, "", "what the backend does not take is kept and tried again, up to buffer.disk.max_age") \
    SATELLITE(BACKOFF,         "", "pipes.sender.fallbacker.exponential_backoff", LEAST_MILLIS, "upstream.retry.initial", "") \
    SATELLITE(BACKOFF_MAX,     "", "pipes.sender.fallbacker.max_backoff", LEAST_MILLIS, "upstream.retry.max", "") \
    SATELLITE(DELAY,           "SATELLITE_*_SENDER_FLUSH_TIME", "pipes.sender.flush_time", LEAST_MILLIS, "batch.max_delay", "the smallest of all pipes") \
    SATELLITE(ITEMS,           "SATELLITE_*_SENDER_MAX_BUFFER_SIZE", "pipes.sender.max_buffer_size", MOST, "batch.max_items", "the largest of all pipes") \
    SATELLITE(MIN_EVENTS,      "SATELLITE_*_SENDER_MIN_FLUSH_EVENTS", "pipes.sender.min_flush_events", NONE, "", "a batch leaves when it is full or batch.max_delay is over") \
    SATELLITE(FORWARDER,       "", "pipes.sender.forwarders.plugin_name", PLUGIN, "", "native-*-grpc-forwarder envoy-*-grpc-forwarder otlp-metrics-v1-grpc-forwarder native-log-kafka-forwarder") \
    SATELLITE(LRU_SIZE,        "SATELLITE_METERPIPE_FORWARD_ROUTING_RULE_LRU_CACHE_SIZE", "pipes.sender.forwarders.routing_rule_lru_cache_size", NONE, "", "meters travel as whole sets and need no stickiness") \
    SATELLITE(LRU_TTL,         "SATELLITE_METERPIPE_FORWARD_ROUTING_RULE_LRU_CACHE_TTL", "pipes.sender.forwarders.routing_rule_lru_cache_ttl", NONE, "", "meters travel as whole sets and need no stickiness") \
    SATELLITE(LABEL_KEYS,      "", "pipes.sender.forwarders.routing_label_keys", NONE, "", "OTLP is relayed as it comes; one connection stays with one backend") \
    SATELLITE(TOPIC,           "SATELLITE_NATIVELOG-TOPIC", "pipes.sender.forwarders.topic", TOPIC, "upstream.kafka.topics", "") \
    SATELLITE(SHUTDOWN,        "SATELLITE_SHUTDOWN_HOOK_TIME",  "", SECONDS, "shutdown.drain", "") \
    SATELLITE(CONFIG,          "SATELLITE_CONFIG",              "", NONE, "", "give the file with -c, after spangate config convert --from satellite")
/* clang-format on */

/* What Satellite takes where nothing is set; for sizes that are products. */
#define SATELLITE_QUEUE_PIPES 17 /* with a memory-queue in its own file */
#define SATELLITE_QUEUE_EVENTS 5000
#define SATELLITE_QUEUE_PARTITIONS 4
#define SATELLITE_SEGMENT_BYTES 262114
#define SATELLITE_SEGMENT_COUNT 2000

#endif
