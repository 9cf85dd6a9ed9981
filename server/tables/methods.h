/* Every gRPC method agents call: how it streams, who answers it, what its messages are. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Source: protocol.md 2. Words only; receive/ binds handlers to the handler tokens.
 *
 * METHOD(number, token, path, stream, class, signal, message, max_age_s, lane, handler, sentence)
 *   number    stands in spool files: never changed, never reused
 *   stream    UNARY, CLIENT (client stream, one answer), BIDI
 *   class     A answered by us and forwarded later; B needs an OAP's own answer; C one relayed call
 *   signal    the metric label
 *   message   what travels (MESSAGES below); OPAQUE gets the wire walk only, one message a call
 *   max_age_s a record older than this is dropped as expired; 0 = buffer.disk.max_age
 *   lane      NONE, or SERVICE when one upstream call may hold one service only
 *   handler   SEGMENT SEGMENTS METER LOG EVENT STORED RELAY HEALTH */
#ifndef TABLES_METHODS_H
#define TABLES_METHODS_H

/* clang-format off */
#define METHODS(METHOD) \
    METHOD(1,  SEGMENT_COLLECT,      "/skywalking.v3.TraceSegmentReportService/collect",       CLIENT, A, TRACING,    SegmentObject,              0,  NONE,    SEGMENT,  "trace segments, the reason for it all") \
    METHOD(2,  SEGMENT_COLLECT_SYNC, "/skywalking.v3.TraceSegmentReportService/collectInSync", UNARY,  A, TRACING,    SegmentCollection,          0,  NONE,    SEGMENTS, "segments in one message; each becomes a record of its own") \
    METHOD(3,  SPAN_ATTACHED_EVENT,  "/skywalking.v3.SpanAttachedEventReportService/collect",  CLIENT, A, TRACING,    SpanAttachedEvent,          0,  NONE,    STORED,   "events attached to spans by Rover") \
    METHOD(4,  INSTANCE_PROPERTIES,  "/skywalking.v3.ManagementService/reportInstanceProperties", UNARY, A, MANAGEMENT, InstanceProperties,       0,  NONE,    STORED,   "what an instance says of itself") \
    METHOD(5,  KEEP_ALIVE,           "/skywalking.v3.ManagementService/keepAlive",             UNARY,  A, MANAGEMENT, InstancePingPkg,            60, NONE,    STORED,   "an instance is alive; worthless after a minute") \
    METHOD(6,  JVM_METRICS,          "/skywalking.v3.JVMMetricReportService/collect",          UNARY,  A, JVM,        JVMMetricCollection,        0,  NONE,    STORED,   "JVM metrics, each second") \
    METHOD(7,  CLR_METRICS,          "/skywalking.v3.CLRMetricReportService/collect",          UNARY,  A, CLR,        CLRMetricCollection,        0,  NONE,    STORED,   ".NET runtime metrics") \
    METHOD(8,  METER_COLLECT,        "/skywalking.v3.MeterReportService/collect",              CLIENT, A, METER,      MeterData,                  0,  NONE,    METER,    "meters; one stream is one data set, stored as a MeterDataCollection") \
    METHOD(9,  METER_COLLECT_BATCH,  "/skywalking.v3.MeterReportService/collectBatch",         CLIENT, A, METER,      MeterDataCollection,        0,  NONE,    STORED,   "complete sets of meters") \
    METHOD(10, LOG_COLLECT,          "/skywalking.v3.LogReportService/collect",                CLIENT, A, LOG,        LogData,                    0,  SERVICE, LOG,      "logs; the service may stand in the first message only") \
    METHOD(11, EVENT_COLLECT,        "/skywalking.v3.EventService/collect",                    CLIENT, A, EVENT,      Event,                      0,  NONE,    EVENT,    "events; one without a layer would end OAP's stream") \
    METHOD(12, CONFIGURATIONS,       "/skywalking.v3.ConfigurationDiscoveryService/fetchConfigurations", UNARY, B, OTHER, OPAQUE,                0,  NONE,    RELAY,    "dynamic configuration, asked every 20 s") \
    METHOD(13, PROFILE_TASKS,        "/skywalking.v3.ProfileTask/getProfileTaskCommands",      UNARY,  B, PROFILE,    OPAQUE,                     0,  NONE,    RELAY,    "profiling tasks, asked every 20 s") \
    METHOD(14, PROFILE_SNAPSHOT,     "/skywalking.v3.ProfileTask/collectSnapshot",             CLIENT, A, PROFILE,    ThreadSnapshot,             0,  NONE,    STORED,   "thread stacks of a profiled trace") \
    METHOD(15, GO_PROFILE,           "/skywalking.v3.ProfileTask/goProfileReport",             CLIENT, C, PROFILE,    OPAQUE,                     0,  NONE,    RELAY,    "chunks of one Go profile") \
    METHOD(16, PROFILE_FINISH,       "/skywalking.v3.ProfileTask/reportTaskFinish",            UNARY,  B, PROFILE,    OPAQUE,                     0,  NONE,    RELAY,    "a profiling task ended") \
    METHOD(17, ASYNC_PROFILER_TASKS, "/skywalking.v10.AsyncProfilerTask/getAsyncProfilerTaskCommands", UNARY, B, PROFILE, OPAQUE,                0,  NONE,    RELAY,    "async-profiler tasks, asked every 20 s") \
    METHOD(18, ASYNC_PROFILER,       "/skywalking.v10.AsyncProfilerTask/collect",              BIDI,   C, PROFILE,    OPAQUE,                     0,  NONE,    RELAY,    "a JFR upload in chunks after one answer") \
    METHOD(19, PPROF_TASKS,          "/skywalking.v10.PprofTask/getPprofTaskCommands",         UNARY,  B, PROFILE,    OPAQUE,                     0,  NONE,    RELAY,    "pprof tasks, asked every 20 s") \
    METHOD(20, PPROF,                "/skywalking.v10.PprofTask/collect",                      BIDI,   C, PROFILE,    OPAQUE,                     0,  NONE,    RELAY,    "a pprof upload in chunks after one answer") \
    METHOD(21, BROWSER_PERF,         "/skywalking.v3.BrowserPerfService/collectPerfData",      UNARY,  A, BROWSER,    BrowserPerfData,            0,  NONE,    STORED,   "page load times") \
    METHOD(22, BROWSER_WEB_VITALS,   "/skywalking.v3.BrowserPerfService/collectWebVitalsPerfData", UNARY, A, BROWSER, BrowserWebVitalsPerfData,   0,  NONE,    STORED,   "web vitals") \
    METHOD(23, BROWSER_RESOURCE,     "/skywalking.v3.BrowserPerfService/collectResourcePerfData", UNARY, A, BROWSER,  BrowserResourcePerfData,    0,  NONE,    STORED,   "times of page resources") \
    METHOD(24, BROWSER_INTERACTIONS, "/skywalking.v3.BrowserPerfService/collectWebInteractionsPerfData", UNARY, A, BROWSER, BrowserWebInteractionsPerfData, 0, NONE, STORED, "times of interactions") \
    METHOD(25, BROWSER_ERRORS,       "/skywalking.v3.BrowserPerfService/collectErrorLogs",     CLIENT, A, BROWSER,    BrowserErrorLog,            0,  NONE,    STORED,   "errors in the browser") \
    METHOD(26, SERVICE_MESH,         "/skywalking.v3.ServiceMeshMetricService/collect",        CLIENT, A, MESH,       OPAQUE,                     0,  NONE,    STORED,   "metrics of mesh adapters") \
    METHOD(27, EBPF_PROCESSES,       "/skywalking.v3.EBPFProcessService/reportProcesses",      UNARY,  B, EBPF,       OPAQUE,                     0,  NONE,    RELAY,    "processes Rover found; OAP answers with ids") \
    METHOD(28, EBPF_KEEP_ALIVE,      "/skywalking.v3.EBPFProcessService/keepAlive",            UNARY,  A, EBPF,       OPAQUE,                     60, NONE,    STORED,   "processes are alive; worthless after a minute") \
    METHOD(29, EBPF_PROFILE_TASKS,   "/skywalking.v3.EBPFProfilingService/queryTasks",         UNARY,  B, EBPF,       OPAQUE,                     0,  NONE,    RELAY,    "eBPF profiling tasks") \
    METHOD(30, EBPF_PROFILE_DATA,    "/skywalking.v3.EBPFProfilingService/collectProfilingData", CLIENT, C, EBPF,     OPAQUE,                     0,  NONE,    RELAY,    "eBPF profiling data") \
    METHOD(31, EBPF_POLICIES,        "/skywalking.v3.ContinuousProfilingService/queryPolicies", UNARY, B, EBPF,       OPAQUE,                     0,  NONE,    RELAY,    "continuous profiling policies") \
    METHOD(32, EBPF_REPORT_TASK,     "/skywalking.v3.ContinuousProfilingService/reportProfilingTask", UNARY, B, EBPF, OPAQUE,                     0,  NONE,    RELAY,    "a continuous profiling task; OAP answers with its id") \
    METHOD(33, EBPF_ACCESS_LOG,      "/skywalking.v3.EBPFAccessLogService/collect",            CLIENT, C, EBPF,       OPAQUE,                     0,  NONE,    RELAY,    "access logs; the first message names the node") \
    METHOD(34, HEALTH_CHECK,         "/grpc.health.v1.Health/Check",                           UNARY,  L, OTHER,      OPAQUE,                     0,  NONE,    HEALTH,   "readiness, answered here") \
    METHOD(35, HEALTH_WATCH,         "/grpc.health.v1.Health/Watch",                           BIDI,   L, OTHER,      OPAQUE,                     0,  NONE,    HEALTH,   "readiness as a stream, answered here")

/* ALIAS(path, token): the paths without a package that old agents, old Envoys and cpp2sky still use
 * (protocol.md 2.1). */
#define METHOD_ALIASES(ALIAS) \
    ALIAS("/TraceSegmentReportService/collect",          SEGMENT_COLLECT) \
    ALIAS("/TraceSegmentReportService/collectInSync",    SEGMENT_COLLECT_SYNC) \
    ALIAS("/ManagementService/reportInstanceProperties", INSTANCE_PROPERTIES) \
    ALIAS("/ManagementService/keepAlive",                KEEP_ALIVE) \
    ALIAS("/JVMMetricReportService/collect",             JVM_METRICS) \
    ALIAS("/CLRMetricReportService/collect",             CLR_METRICS) \
    ALIAS("/MeterReportService/collect",                 METER_COLLECT) \
    ALIAS("/ProfileTask/getProfileTaskCommands",         PROFILE_TASKS) \
    ALIAS("/ProfileTask/collectSnapshot",                PROFILE_SNAPSHOT) \
    ALIAS("/ProfileTask/reportTaskFinish",               PROFILE_FINISH) \
    ALIAS("/BrowserPerfService/collectPerfData",         BROWSER_PERF) \
    ALIAS("/BrowserPerfService/collectErrorLogs",        BROWSER_ERRORS)

/* SIGNAL(token, label) */
#define SIGNALS(SIGNAL) \
    SIGNAL(TRACING, "tracing") SIGNAL(MANAGEMENT, "management") SIGNAL(JVM, "jvm") SIGNAL(CLR, "clr") \
    SIGNAL(METER, "meter") SIGNAL(LOG, "log") SIGNAL(EVENT, "event") SIGNAL(PROFILE, "profile") \
    SIGNAL(BROWSER, "browser") SIGNAL(MESH, "mesh") SIGNAL(EBPF, "ebpf") SIGNAL(OTHER, "other")

/* DROP_REASON(token, label): why an item ended as dropped. */
#define DROP_REASONS(DROP_REASON) \
    DROP_REASON(BUFFER_FULL, "buffer_full") DROP_REASON(EXPIRED, "expired") \
    DROP_REASON(EMPTY, "empty") DROP_REASON(COPY, "copy") DROP_REASON(POLICY, "policy") \
    DROP_REASON(REJECTED, "rejected_by_backend") DROP_REASON(SHUTDOWN, "shutdown") \
    DROP_REASON(SPOOL_ERROR, "spool_error")

/* MESSAGE(name): the stored messages with a description in proto/; OPAQUE has none. */
#define MESSAGES(MESSAGE) \
    MESSAGE(OPAQUE) MESSAGE(SegmentObject) MESSAGE(SegmentCollection) MESSAGE(SpanAttachedEvent) \
    MESSAGE(InstanceProperties) MESSAGE(InstancePingPkg) MESSAGE(JVMMetricCollection) \
    MESSAGE(CLRMetricCollection) MESSAGE(MeterData) MESSAGE(MeterDataCollection) MESSAGE(LogData) \
    MESSAGE(Event) MESSAGE(ThreadSnapshot) MESSAGE(BrowserPerfData) \
    MESSAGE(BrowserWebVitalsPerfData) MESSAGE(BrowserResourcePerfData) \
    MESSAGE(BrowserWebInteractionsPerfData) MESSAGE(BrowserErrorLog)
/* clang-format on */

#endif
