/* Bytes on their way from one stream to another. */
/* SPDX-License-Identifier: Apache-2.0 */
/* A ring that grows with what is put in and is charged to the budget. It has no bound of its own:
 * its user gives credit only for what left, so it never holds more than the window of the stream
 * that feeds it. While it keeps, what was sent stays and can be sent once more. */
#ifndef GRPC_GRPC_QUEUE_H
#define GRPC_GRPC_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/budget.h"
#include "base/bytes.h"
#include "h2/h2_gather.h"

struct grpc_queue {
    struct budget *budget;
    uint8_t *p;
    size_t size;            /* a power of two; 0: no memory yet */
    uint64_t base, at, end; /* counted from the first byte ever: held from, sent up to, put up to */
    bool keeps;
};

void grpc_queue_init(struct grpc_queue *, struct budget *, bool keeps);
void grpc_queue_fini(struct grpc_queue *);
/* Copies. */
void grpc_queue_put(struct grpc_queue *, struct bytes);
/* Bytes not sent yet. */
size_t grpc_queue_n(const struct grpc_queue *);
/* Sends the next n bytes; n <= grpc_queue_n. */
void grpc_queue_give(struct grpc_queue *, size_t n, struct h2_gather *);
/* While it keeps: everything is to be sent again. */
void grpc_queue_rewind(struct grpc_queue *);
/* From now on it keeps nothing that was sent. */
void grpc_queue_let_go(struct grpc_queue *);
/* Everything that was ever put in; only while it keeps. */
struct bytes grpc_queue_view(const struct grpc_queue *);

#endif
