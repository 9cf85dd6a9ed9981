/* What the stand-in OAP keeps: files of captured messages, and its newest segments in memory. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Not locked: the stand-in holds its lock around every call. */
#ifndef COMMAND_STANDIN_STORE_H
#define COMMAND_STANDIN_STORE_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/method.h"
#include "base/text.h"

struct standin_store;

/* Creates dir (one level) where it is missing; NULL: no files. keep: segments kept for queries. */
enum err standin_store_open(const char *dir, uint32_t keep, struct text *why,
                            struct standin_store **out) MUST_CHECK;
void standin_store_close(struct standin_store **);
/* Appends to DIR/Service.method.bin: 4-byte big-endian length, then the message. */
void standin_store_add(struct standin_store *, enum method, struct bytes message);
/* Hands what was added to the system. */
void standin_store_flush(struct standin_store *);
/* A JSON array of SegmentObjects, newest first. */
void standin_store_query(const struct standin_store *, uint32_t limit, const char *trace_id,
                         struct text *out);

#endif
