/* The catalogue of rules: what a reader of a finding wants to know besides the rule's own row. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Source: integrity.md 1, 2. Every row of tables/rules.h has one here. Words only.
 *
 * RULE_TEXT(token, example, why no healthy agent does it or why one may, what OAP would do without
 *           the gate, what to do)
 *   An example's lines are spans: id, type, name; "+" hangs on the line above, "?" hangs nowhere.
 */
#ifndef TABLES_RULE_TEXTS_H
#define TABLES_RULE_TEXTS_H

/* clang-format off */
#define RULE_TEXTS(RULE_TEXT) \
    RULE_TEXT(grpc_message_truncated, \
        "frame: length 620, then 311 bytes, then END_STREAM", \
        "Every gRPC library writes whole messages before it closes its side.", \
        "Ends the call with INTERNAL; the whole messages before the fragment are stored.", \
        "Look for a proxy between agent and gate that cuts streams, or a client with a gRPC of its own.") \
    RULE_TEXT(conn_lost_mid_message, \
        "frame: length 620, then 311 bytes, then the connection is reset", \
        "Healthy agents do it: any kill, lost node or network does, and the Go agent never closes in an orderly way.", \
        "Ignores the fragment; messages just before the loss may be lost as well.", \
        "Nothing, unless it repeats: then look at restarts and at the network.") \
    RULE_TEXT(proto_undecodable, \
        "SegmentObject { spans { operationName: length 900 in a span of 410 bytes } }", \
        "Encoders are generated code. Seen only where two goroutines changed one span while it was encoded.", \
        "Ends the whole call: all later messages are lost, those of other agents on a shared call too.", \
        "With Go, read about memory races in this catalogue's `tag-blank` and use an agent newer than 0.6.0; else look for hand-made clients.") \
    RULE_TEXT(proto_unknown_field, \
        "SpanObject { 15: 1 }", \
        "Healthy agents do it: a newer protocol has more fields.", \
        "Keeps the field and stores the segment.", \
        "Nothing.") \
    RULE_TEXT(message_oversize, \
        "frame: length 73400320 with listen.max_message 50MiB", \
        "A bound of ours; Java stops at 300 spans a segment, Go has no limit.", \
        "Ends the call with RESOURCE_EXHAUSTED; later messages are lost.", \
        "Find the loop that makes endless spans; raise `listen.max_message` only together with OAP's limit.") \
    RULE_TEXT(string_invalid_utf8_identity, \
        "traceSegmentId: \"\\xC3(\"", \
        "Ids, services and instances come from code or settings, never from a caller.", \
        "Ends the whole call, as with bytes it cannot decode.", \
        "Look at the setting of service and instance; otherwise memory of the agent was overwritten.") \
    RULE_TEXT(string_invalid_utf8, \
        "tag http.params: \"a=\\xC3(\"", \
        "The text is a caller's: cpp2sky and Envoy pass header bytes on as they are.", \
        "Ends the whole call: one odd header costs the segments of everybody on it.", \
        "Nothing: each bad byte becomes the four characters `\\xHH`. Whoever sends such requests may be a scanner.") \
    RULE_TEXT(segment_id_malformed, \
        "traceSegmentId: \"\" or \"a b\" or 151 letters", \
        "All agents make ids of hex, decimals, dots and dashes, at most some 70 bytes.", \
        "Empty ids collide; long ones and NUL cost a database batch with rows of other services.", \
        "Look for a client that is no official agent. The message is in quarantine.") \
    RULE_TEXT(identity_nul, \
        "service: \"shop\\0\"", \
        "Neither environment variables nor YAML can hold U+0000.", \
        "On PostgreSQL the rows of all services and instances new in the same 5 seconds fail with it.", \
        "Look for a client that is no official agent. The message is in quarantine.") \
    RULE_TEXT(service_empty, \
        "service: \"\"", \
        "Python takes an empty environment variable literally.", \
        "Shows the service `_blank`.", \
        "Set the service name of that agent.") \
    RULE_TEXT(instance_empty, \
        "serviceInstance: \"\"", \
        "Python takes an empty environment variable literally.", \
        "Shows the instance `_blank`.", \
        "Set or remove the instance setting of that agent.") \
    RULE_TEXT(trace_id_empty, \
        "traceId: \"\"", \
        "Go accepts an empty trace id from a caller's `sw8` header.", \
        "All such traces read as one.", \
        "Find the caller that sends an empty trace id.") \
    RULE_TEXT(span_limit, \
        "SegmentObject of 140000 spans with integrity.max_spans 100000", \
        "A bound of ours; Go has no span limit.", \
        "Takes it, with a lot of memory.", \
        "Find the loop that makes endless spans in one request.") \
    RULE_TEXT(segment_empty, \
        "SegmentObject { no spans }", \
        "Healthy agents do it: Rust and PHP report contexts without spans.", \
        "Returns at once: nothing is stored either.", \
        "Nothing.") \
    RULE_TEXT(span_blank, \
        "0 Entry /a\n+ (a span of no bytes)", \
        "A root says parent -1 and a child says an id above 0, so no span is empty.", \
        "Takes it for an Entry with id 0 that began in 1970; a database then loses the whole segment.", \
        "Upgrade the agent; if the finding stays, report it to the agent's project with the tagged segment.") \
    RULE_TEXT(span_id_negative, \
        "0 Entry /a\n+ -1 Exit db", \
        "Ids are counted from 0; spans that were never sent keep -1.", \
        "Stores it; -1 becomes the root's parent and the trace shows no span at all.", \
        "Upgrade the agent; if the finding stays, report it to the agent's project with the tagged segment.") \
    RULE_TEXT(span_id_duplicate, \
        "0 Entry /a\n+ 2 Exit db\n+ 2 Exit cache", \
        "Ids are counted within a segment.", \
        "Counts both in its metrics and shows children twice.", \
        "Python, Node: an asynchronous continuation re-enters a finished span, report it. Go: a race, use an agent newer than 0.6.0.") \
    RULE_TEXT(span_zero_missing, \
        "1 Entry /a\n+ 2 Exit db", \
        "Every agent counts from 0 and reports the first span.", \
        "Answers OK, stores nothing and logs nothing.", \
        "The message is in quarantine; `spangate quarantine show` draws it. Upgrade the agent; if the finding stays, report it to the agent's project with the tagged segment.") \
    RULE_TEXT(span_parent_missing, \
        "0 Entry /a\n? 3 Exit db, parent 7", \
        "A parent lives when its child is made and both are reported together; segments marked as limited are not asked.", \
        "Stores it; the tree falls apart.", \
        "Upgrade the agent; if the finding stays, report it to the agent's project with the tagged segment.") \
    RULE_TEXT(span_parent_not_earlier, \
        "0 Entry /a\n? 3 Local, parent 3", \
        "Ids come from a counter and the parent is made first.", \
        "Stores it, but shows no span in or under the cycle.", \
        "Upgrade the agent; if the finding stays, report it to the agent's project with the tagged segment.") \
    RULE_TEXT(segment_multi_root, \
        "0 Entry /a\n1 Exit db, parent -1", \
        "Go, Java and .NET make one root. Rust, PHP, Lua and Python may make more: there it is a hint.", \
        "Shows two trees.", \
        "Nothing, unless the agent is Go, Java or .NET: then upgrade it.") \
    RULE_TEXT(root_not_last, \
        "list: 0 Entry (root), 1 Exit", \
        "Java reports a span when it leaves the stack and Go appends the root at the end; all others put it anywhere.", \
        "Does not mind.", \
        "A segment of Go or Java that was changed on its way, or a race in Go: use an agent newer than 0.6.0.") \
    RULE_TEXT(span_end_unset, \
        "0 Entry /a, start 1790000000000, end 0", \
        "Every agent writes the end when it archives a span. Go's unset time is -6795364578871.", \
        "Computes a latency of 32 senseless bits into the service's averages and percentiles.", \
        "Go: a race in ending the span, use an agent newer than 0.6.0. The span is kept out of the metrics and the trace is complete.") \
    RULE_TEXT(span_end_before_start, \
        "0 Entry /a, start 1790000000000, end 1789999997000", \
        "Healthy agents do it: both times are the wall clock's, and clocks are set.", \
        "Stores a negative latency.", \
        "Many at once from one host: look at its NTP or at a resumed VM. Action repair keeps such spans out of the metrics.") \
    RULE_TEXT(span_start_implausible, \
        "0 Entry /a, start 0", \
        "Browsers have their users' clocks and OpenTracing takes any time. Go always has a start, so there a missing one is a strong finding.", \
        "Files it under another day: an index that may never expire, or no table and the segment is lost.", \
        "Look at the clock of the host or of the device.") \
    RULE_TEXT(id_time_incoherent, \
        "traceSegmentId: <32 hex>.57.<Monday 10:00>0001\n0 Entry /a, start Monday 10:05", \
        "Go takes the time in the id and the start of the root microseconds apart; nobody else is asked.", \
        "Does not mind.", \
        "A torn id or start: use an agent newer than 0.6.0.") \
    RULE_TEXT(trace_id_stale, \
        "traceId: <32 hex>.7.<10:00>0001\ntraceSegmentId: <32 hex>.9.<11:30>0001", \
        "Healthy Go programs do it: a goroutine of a pool keeps the trace it was started in.", \
        "Shows a trace that never ends.", \
        "Start such goroutines outside of requests.") \
    RULE_TEXT(exit_peer_empty, \
        "0 Entry /a\n+ 1 Exit memcached/get, peer \"\"", \
        "Healthy agents do it: PHP, Java's Finagle plugin, nginx without an upstream.", \
        "Draws no line to the called service; a database becomes `_blank`.", \
        "Nothing, or upgrade the plugin.") \
    RULE_TEXT(operation_empty, \
        "0 Entry \"\"", \
        "Agents refuse an empty name at creation; a later rename may clear it.", \
        "Shows the endpoint `_blank`.", \
        "Look for code that renames spans.") \
    RULE_TEXT(control_in_name, \
        "0 Entry /%00\\x00admin", \
        "The text is a caller's: many servers name spans by the decoded path. Tabs and ends of lines in tag values do not count.", \
        "Stores it; NUL makes rows of other services fail on PostgreSQL.", \
        "Look for a scanner among your callers; the reporting service is fine.") \
    RULE_TEXT(tag_blank, \
        "0 Entry /a\n  tags: http.method=GET, (a tag of no bytes)", \
        "Only code that sets an empty tag on purpose, or a torn list of tags in a Go agent up to 0.6.0.", \
        "Shows an empty label; two of them on a Cache span cost the segment.", \
        "Go: a span is shared between goroutines; use an agent newer than 0.6.0. Else look for a call that sets an empty tag.") \
    RULE_TEXT(tag_key_repeated_go, \
        "0 Entry /a\n  tags: url=/a, url=/b", \
        "The Go agent overwrites a tag that is set again; others add one more and are not asked.", \
        "Does not mind, but on Cache spans.", \
        "A race in Go: use an agent newer than 0.6.0.") \
    RULE_TEXT(span_type_unknown, \
        "0 type 3", \
        "Healthy newer agents may: the enumeration is open.", \
        "Stores the span without analysing it, with one error in the log each.", \
        "Upgrade OAP, then the gate.") \
    RULE_TEXT(span_layer_unknown, \
        "0 Entry /a, layer 8", \
        "Healthy newer agents may: the enumeration is open.", \
        "Stores it.", \
        "Nothing.") \
    RULE_TEXT(ref_type_unknown, \
        "0 Entry /a\n  ref type 2", \
        "Healthy newer agents may: the enumeration is open.", \
        "Stores it, but cannot show the trace any more.", \
        "Look for a client that is no official agent.") \
    RULE_TEXT(go_impossible_flag, \
        "traceSegmentId: <a Go id>, isSizeLimited", \
        "The Go agent never sets it; a fork may, or another program uses the name.", \
        "Does not mind.", \
        "Look for two programs with one service and instance name.") \
    RULE_TEXT(ref_self_loop, \
        "0 Entry /a\n+ 1 Entry, ref to span 1 of this segment", \
        "What injects a reference is an Exit of the segment, there and never the holder. References to other spans of the own segment are healthy.", \
        "Draws a loop.", \
        "Upgrade the agent; if the finding stays, report it to the agent's project with the tagged segment.") \
    RULE_TEXT(ref_crossthread_foreign, \
        "service shop\n0 Local, ref CrossThread from service cart", \
        "A thread lives in its process, and agents fill in their own names.", \
        "Draws a dependency that does not exist.", \
        "Upgrade the agent; if the finding stays, report it to the agent's project with the tagged segment.") \
    RULE_TEXT(ref_trace_mismatch_go, \
        "traceId T1\n0 Entry /a, ref of trace T2", \
        "Go writes the segment's own trace id into every reference. Elsewhere several traces are normal and nobody is asked.", \
        "Does not mind.", \
        "A torn reference: use an agent newer than 0.6.0.") \
    RULE_TEXT(ref_malformed, \
        "0 Entry /a, ref to segment \"\" span -1", \
        "All of it is a caller's `sw8` header.", \
        "Draws a parent `_blank`.", \
        "Some client sends bad `sw8` headers; the reporting service is fine.") \
    RULE_TEXT(poison_cache_tag_repeat, \
        "0 Exit redis/set, layer Cache\n  tags: cache.op=read, cache.op=write", \
        "Healthy agents may: no agent but Go keeps keys apart.", \
        "Throws the whole segment away, after it answered OK.", \
        "Nothing: the later key becomes `cache.op#2`.") \
    RULE_TEXT(poison_logic_endpoint, \
        "0 Local job\n  tags: x-le={", \
        "Lawful for the protocol; agents write this tag only through a toolkit call.", \
        "Parses it without a guard and throws the whole segment away.", \
        "Nothing: the tag becomes `x-le.invalid`. Look for code that sets `x-le` by hand.") \
    RULE_TEXT(poison_transmission_latency, \
        "0 Entry Kafka/t/Consumer, layer MQ\n  tags: transmission.latency=soon", \
        "Lawful for the protocol; some plugins leave it empty.", \
        "Parses it without a guard and throws the whole segment away.", \
        "Nothing: the tag becomes `transmission.latency.invalid`.") \
    RULE_TEXT(poison_column, \
        "traceId: 151 letters", \
        "A trace id is whatever the caller's `sw8` header says.", \
        "With a database as storage the insert fails, and with it up to 2,000 rows of other services. Other storages take it.", \
        "Set `upstream.storage: jdbc` where OAP stores into a database; find the caller that sends such ids.") \
    RULE_TEXT(event_layer_empty, \
        "Event { name: Start, layer: \"\" }", \
        "Official clients set a layer.", \
        "Ends the whole stream.", \
        "Set the layer where your program sends events.") \
    RULE_TEXT(log_service_missing, \
        "LogData { body, no service }, first on its stream", \
        "Official clients name the service in the first log of a stream.", \
        "Drops it silently.", \
        "Set the service where your program sends logs.") \
    RULE_TEXT(log_nul, \
        "LogData { body: \"a\\0b\" }", \
        "The text is the application's.", \
        "On PostgreSQL the whole batch of logs is lost.", \
        "Nothing: NUL becomes the four characters `\\x00`.") \
    RULE_TEXT(segment_duplicate_identical, \
        "traceSegmentId X twice within 300 s, the same bytes", \
        "Healthy senders may: Satellite re-sends a batch, a browser re-sends its beacon.", \
        "Counts every metric again.", \
        "Nothing: the copy is dropped.") \
    RULE_TEXT(segment_id_reused, \
        "traceSegmentId X twice, other spans", \
        "Healthy agents may: Go's message callbacks, .NET's ids, nginx; Python, Node and Ruby archive again.", \
        "Elasticsearch keeps the later one; a database loses it, and its whole batch.", \
        "Nothing, or upgrade the agent.") \
    RULE_TEXT(segment_id_two_instances, \
        "traceSegmentId X from shop-1, then from shop-2", \
        "A restored image or a forked process draws the same ids.", \
        "As with `segment-id-reused`.", \
        "Give restored machines and forked workers their own instance name.") \
    RULE_TEXT(poison_id_again, \
        "traceSegmentId X again, with `upstream.storage: jdbc`", \
        "Healthy senders may, see `segment-duplicate-identical` and `segment-id-reused`.", \
        "A database refuses the second row and with it the whole batch, healthy segments of others in it.", \
        "Nothing: a copy is dropped, other content is set aside, for the database would not have kept it.") \
    RULE_TEXT(tear_suspect, \
        "peer \"orders:8080gc gp()\" once, beside \"orders:8080\" and a longer one of the same length", \
        "No sure sign: a peer may be called once only. Told only where the text itself looks cut.", \
        "Shows a peer that does not exist.", \
        "Look at the instance's other findings: with one of them this is a memory race (D1).") \
    RULE_TEXT(go_orphan_root_share, \
        "0 Exit redis/get, no ref (4 of 10 segments)", \
        "Background jobs look the same.", \
        "Shows many traces of one call.", \
        "Go 1.23 or newer with an agent up to 0.5.0: upgrade the agent. Sampling before 0.5.0 does it as well.") \
    RULE_TEXT(identity_flip, \
        "60 segments of shop-1, one of cart-1, then shop-1 again", \
        "Aggregators mix names; such streams are not asked.", \
        "Does not mind.", \
        "Look for two programs with one connection or name.") \
    RULE_TEXT(near_known_service, \
        "service \"checkou\" once beside \"checkout\"", \
        "Names may be prefixes of each other.", \
        "Shows a service that does not exist.", \
        "Look for a mistyped service name.") \
    RULE_TEXT(stream_self_reset, \
        "collect reset by the client 3 times a minute", \
        "Healthy Go plugins cut text in the middle of a character; the agent then cannot send it.", \
        "Loses the segments that the agent could not send.", \
        "Raise or disable the byte limit of the redis and gin plugins.") \
    RULE_TEXT(instance_churn, \
        "shop-1 3 min, shop-2 2 min, shop-3 4 min, one after another", \
        "Cron jobs and deployments look similar; both are told apart by overlap or a list.", \
        "Shows many instances.", \
        "Look at exit codes and memory. Go built with `-race` and the agent dies this way: build without `-race`.") \
    RULE_TEXT(language_conflict, \
        "instance worker: language go, then java", \
        "Fixed instance names are shared by some agents.", \
        "Shows one instance with mixed properties.", \
        "Give each program its own service or instance name.")
/* clang-format on */

#endif
