/* What a connection tells of the instances that report over it: its life, and streams cut short. */
/* SPDX-License-Identifier: Apache-2.0 */
/* An agent has one connection, so the connection's end tells of its own (instance-churn), and a
 * stream it resets and opens again of what it could not send (stream-self-reset). The connection of
 * an aggregator (Satellite, a proxy) tells nothing of the instances behind it: it is left out.
 * Source: integrity.md 2. */
#include "base/clock.h"
#include "base/mem.h"
#include "receive/receive_int.h"

enum {
    MET_MAX = 4,              /* more instances than these: an aggregator */
    AGGREGATOR = MET_MAX + 1, /* in n */
    REOPEN_MS = 2000,
};

/* In the connection's slot from the first instance met on it to its end. */
struct receive_connection {
    uint64_t instances[MET_MAX];
    uint32_t reset_ms;  /* when the last stream was cut short; wraps around */
    uint8_t n;          /* instances met, or AGGREGATOR */
    uint8_t reset_from; /* whose stream it was: index + 1; 0: none */
};

static struct integrity *
engine_of(const struct receive_call *rc)
{
    return rc->receive->parts.integrity;
}

/* NULL: no instance was met on it, or it is gone. */
static struct receive_connection *
connection_of(const struct grpc_call *call)
{
    void **slot = grpc_call_connection_user(call);
    return slot != NULL ? *slot : NULL;
}

static uint32_t
now_ms(void)
{
    return (uint32_t)(clock_mono_us() / 1000);
}

/* The index, n where it is not among them. */
static uint32_t
find(const struct receive_connection *connection, uint64_t instance)
{
    uint32_t i = 0;
    while (i < connection->n && connection->instances[i] != instance)
        i++;
    return i;
}

/* Those met so far were not its own: their connection ends here, in order. */
static void
leave_out(struct integrity *integrity, struct receive_connection *connection)
{
    for (uint32_t i = 0; i < connection->n; i++)
        integrity_note_instance(integrity, connection->instances[i], INSTANCE_DISCONNECTED);
    connection->n = AGGREGATOR;
    connection->reset_from = 0;
}

void
receive_connection_meet(struct receive_call *rc)
{
    uint64_t instance = integrity_stream_instance(&rc->stream);
    rc->instance = instance;
    void **slot = grpc_call_connection_user(rc->call);
    if (instance == 0 || slot == NULL)
        return;
    if (*slot == NULL)
        *slot = mem_new(struct receive_connection);
    struct receive_connection *connection = *slot;
    if (connection->n == AGGREGATOR)
        return;
    uint32_t at = find(connection, instance);
    if (rc->stream.is_mixed || at == MET_MAX) {
        leave_out(engine_of(rc), connection);
    } else if (at == connection->n) {
        connection->instances[connection->n++] = instance;
        integrity_note_instance(engine_of(rc), instance, INSTANCE_CONNECTED);
    }
}

/* A stream that carried nothing yet is of the only instance of its connection. */
void
receive_connection_cut(const struct receive_call *rc)
{
    struct receive_connection *connection = connection_of(rc->call);
    if (connection == NULL || connection->n == 0 || connection->n == AGGREGATOR)
        return;
    uint64_t instance = integrity_stream_instance(&rc->stream);
    if (instance == 0 && connection->n == 1)
        instance = connection->instances[0];
    uint32_t at = find(connection, instance);
    if (at == connection->n)
        return;
    connection->reset_from = (uint8_t)(at + 1);
    connection->reset_ms = now_ms();
}

void
receive_connection_reopen(struct receive *receive, const struct grpc_call *call)
{
    struct receive_connection *connection = connection_of(call);
    if (connection == NULL || connection->reset_from == 0)
        return;
    if (now_ms() - connection->reset_ms <= REOPEN_MS)
        integrity_note_instance(receive->parts.integrity,
                                connection->instances[connection->reset_from - 1],
                                INSTANCE_RESET_ITSELF);
    connection->reset_from = 0;
}

void
receive_connection_gone(struct receive *receive, struct receive_connection *connection,
                        enum grpc_connection_end how)
{
    if (connection == NULL)
        return;
    /* Libraries that close in order end their calls first, even those that say no GOAWAY. */
    bool is_abrupt = how == GRPC_ENDED_IN_CALL || how == GRPC_ENDED_DEAD;
    uint32_t n = connection->n == AGGREGATOR ? 0 : connection->n;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t instance = connection->instances[i];
        integrity_note_instance(receive->parts.integrity, instance, INSTANCE_DISCONNECTED);
        if (is_abrupt)
            integrity_note_instance(receive->parts.integrity, instance, INSTANCE_ENDED_ABRUPTLY);
    }
    mem_free(connection);
}
