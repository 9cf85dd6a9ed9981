/* Every error by name: what it is in words, the gRPC status it becomes, and what to do about it. */
/* SPDX-License-Identifier: Apache-2.0 */
/* E(token, code, words, grpc status, what to do). The code never changes once released; "explain"
 * and docs/errors.md are made from this table. Statuses: protocol.md 1. */
#ifndef TABLES_ERRORS_H
#define TABLES_ERRORS_H

/* clang-format off */
#define ERRORS(E) \
    E(OK,            0,   "no error",                                         0,  "nothing") \
    /* resources */ \
    E(BUDGET,        101, "the memory budget is used up",                     8,  "raise limits.memory or find out why the backend does not take data") \
    E(WAIT,          102, "no room at the moment, wait for on_room",          8,  "nothing: the stream waits and goes on by itself") \
    E(DESCRIPTORS,   103, "out of file descriptors",                          8,  "raise the limit of open files (LimitNOFILE, ulimit -n)") \
    E(TOO_LARGE,     104, "larger than the limit",                            8,  "raise listen.max_message, or make the agent send smaller messages") \
    /* network */ \
    E(CLOSED,        201, "the peer closed the connection",                   14, "nothing: it reconnects") \
    E(REFUSED,       202, "connection refused",                               14, "check that the address is right and something listens there") \
    E(TIMEOUT,       203, "no answer in time",                                4,  "check the network path and the load of the peer") \
    E(UNREACHABLE,   204, "no route to the address",                          14, "check routing and firewalls") \
    E(NAME,          205, "the name does not resolve",                        14, "check the spelling and the name server") \
    E(IN_USE,        206, "the address is in use",                            14, "stop the other process or choose another address") \
    E(PERMISSION,    207, "not permitted",                                    7,  "ports below 1024 and foreign files need rights") \
    E(SYSTEM,        208, "the operating system refused",                     13, "look in the system's log, or trace the process's system calls") \
    /* wire */ \
    E(H2_PREFACE,    301, "not HTTP/2 with prior knowledge",                  13, "point a gRPC client without TLS at this port") \
    E(H2_PROTOCOL,   302, "the peer broke the HTTP/2 protocol",               13, "look for a proxy between agent and spangate that rewrites HTTP/2") \
    E(H2_FLOOD,      303, "the peer floods the connection with empty work",   8,  "find the client: no agent does this") \
    E(STREAM_RESET,  304, "the peer reset the stream",                        1,  "nothing") \
    E(STREAM_REFUSED,305, "the peer refused the stream before any work",      14, "nothing: it is tried again") \
    E(GRPC_FRAME,    306, "a gRPC message is cut off or badly framed",        13, "look for a proxy that cuts streams") \
    E(GZIP,          309, "the gzip data is broken",                          13, "look for a proxy that rewrites bodies") \
    E(TLS,           310, "TLS failed",                                       14, "compare certificates, trusted authorities, names and TLS versions of both sides; log.level: debug tells why a handshake failed") \
    E(TLS_FILE,      311, "a certificate or its key cannot be used",          13, "run: spangate check-config") \
    /* messages */ \
    E(WIRE_FIELD,    401, "field number 0 or beyond 2^29-1",                  13, "see docs/rules.md, proto-undecodable") \
    E(WIRE_TYPE,     402, "group or reserved wire type",                      13, "see docs/rules.md, proto-undecodable") \
    E(WIRE_VARINT,   403, "a varint longer than 10 bytes",                    13, "see docs/rules.md, proto-undecodable") \
    E(WIRE_LENGTH,   404, "a length beyond the enclosing message",            13, "see docs/rules.md, proto-undecodable") \
    E(WIRE_DEPTH,    405, "messages nested too deep",                         13, "see docs/rules.md, proto-undecodable") \
    E(JSON,          408, "not the JSON of a SkyWalking message",             3,  "see the position behind it") \
    E(FORMAT,        409, "not a known file of captured messages",            3,  "lint reads length-delimited protobuf, one SegmentObject, or JSON") \
    /* disk */ \
    E(NO_SPACE,      601, "no space left on the disk",                        8,  "free space, enlarge the volume, or lower buffer.disk.min_free") \
    E(IO,            602, "the disk failed to read or write",                 13, "look at the kernel's log and replace the volume") \
    E(LOCKED,        603, "another process has the directory open",           13, "stop the other process, or give each its own buffer.disk.path") \
    E(NOT_FOUND,     604, "no such file or directory",                        5,  "check the path") \
    E(SPOOL_HEAD,    605, "no valid head of a spool file or record",          13, "see docs/spool-format.md; spangate spool verify DIR shows what is readable") \
    E(SPOOL_SHORT,   606, "a spool record is cut off",                        13, "nothing: it was not acknowledged") \
    E(SPOOL_VERSION, 607, "a spool file of a format this version does not know", 13, "drain it with the version that wrote it") \
    E(NOT_DIRECTORY, 608, "a part of the path is not a directory",            5,  "check the path") \
    /* configuration: C0xx are raised by conf/ with a position */ \
    E(CONFIG,        501, "the configuration is not valid",                   13, "run: spangate check-config -c FILE")
/* clang-format on */

#endif
