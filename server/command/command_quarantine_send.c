/* quarantine replay --to: from here to another endpoint; the records stay in quarantine. */
/* SPDX-License-Identifier: Apache-2.0 */
/* One call a message, one after another, so that what an endpoint refuses costs nothing else. */
#include <inttypes.h>
#include <netdb.h>
#include <string.h>

#include "base/clock.h"
#include "command/aside_record.h"
#include "command/command_quarantine.h"
#include "grpc/grpc.h"
#include "grpc/grpc_channel.h"
#include "net/loop.h"

enum {
    MOST_RATE = 10000,
    CONNECT_US = 3000000,
    READY_US = 5000000, /* for the first connection, and after a lost one */
    CALL_US = 30000000,
    TURN_MS = 50,
    HOST_BYTES = 256,
    SHOWN_WHY = 200,
};

struct sender {
    const struct command_quarantine *q;
    struct aside_judge judge;
    struct loop *loop;
    struct grpc_channel *channel;
    bool is_as_is;
    uint64_t rate, start_us, n_sent; /* n_sent: calls, for the rate */
    uint64_t n_taken, n_refused;
    struct text out;
    bool is_done; /* of the call at hand */
    bool is_taken;
    struct text why;
};

/* Names are asked for here: this command may wait. */
static int
resolve(const struct command_input *in, const char *to, struct net_address *out)
{
    char host[HOST_BYTES], service[8];
    uint16_t port;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    if (!net_split_host_port(to, host, sizeof(host), &port))
        return command_usage(in, "--to \"%.64s\" is no HOST:PORT", to);
    snprintf(service, sizeof(service), "%u", port);
    int failed = getaddrinfo(host, service, &hints, &list);
    if (failed != 0 || list == NULL) {
        command_tell(in, "--to %s: %s", to, gai_strerror(failed));
        return COMMAND_UNAVAILABLE;
    }
    *out = (struct net_address){.length = list->ai_addrlen};
    memcpy(&out->storage, list->ai_addr, list->ai_addrlen);
    freeaddrinfo(list);
    return COMMAND_OK;
}

static void
on_done(void *ctx, const struct grpc_answer *answer)
{
    struct sender *sender = ctx;
    sender->is_done = true;
    sender->is_taken = answer->err == ERR_OK && answer->status == GRPC_OK;
    if (sender->is_taken)
        return;
    if (answer->err != ERR_OK)
        text_addf(&sender->why, "%s", err_words(answer->err));
    else
        text_addf(&sender->why, "%s", err_status_name(answer->status));
    if (answer->text.n > 0) {
        text_add(&sender->why, " ");
        text_add_plain(&sender->why, answer->text, SHOWN_WHY);
    }
}

static bool
wait_ready(struct sender *sender)
{
    uint64_t end_us = clock_fresh_us() + READY_US;
    while (!grpc_channel_has_room(sender->channel) && clock_fresh_us() < end_us)
        loop_run_once(sender->loop, TURN_MS);
    return grpc_channel_has_room(sender->channel);
}

static void
wait_due(struct sender *sender)
{
    uint64_t due_us =
        sender->rate > 0 ? sender->start_us + sender->n_sent * 1000000 / sender->rate : 0;
    for (uint64_t now_us; (now_us = clock_fresh_us()) < due_us;)
        loop_run_once(sender->loop, (uint32_t)((due_us - now_us) / 1000 + 1));
}

static int
call(struct sender *sender, const char *path, struct bytes message)
{
    uint8_t prefix[GRPC_PREFIX_BYTES];
    const struct bytes slices[] = {bytes_of(prefix, sizeof(prefix)), message};
    struct grpc_request_settings request = {
        .path = path,
        .slices = slices,
        .n_slices = 2,
        .timeout_us = CALL_US,
        .ctx = sender,
        .on_done = on_done,
    };
    grpc_put_prefix(prefix, (uint32_t)message.n);
    wait_due(sender);
    if (!wait_ready(sender)) {
        command_tell(sender->q->in, "--to %s does not answer", command_value(sender->q->in, "to"));
        return COMMAND_UNAVAILABLE;
    }
    sender->is_done = false;
    sender->n_sent++;
    grpc_channel_start(sender->channel, &request);
    while (!sender->is_done)
        loop_run_once(sender->loop, TURN_MS);
    return COMMAND_OK;
}

/* What goes out; false: nothing may, why says so. */
static bool
choose_payload(struct sender *sender, const struct aside_record *record, struct bytes *out)
{
    *out = record->payload;
    if (aside_record_is_prefix(record))
        text_add(&sender->why, "only its first bytes are kept");
    else if (record->row == NULL)
        text_add(&sender->why, "a method this version does not know");
    else if (!sender->is_as_is && record->is_judged &&
             (record->judgement.verdict == VERDICT_QUARANTINED ||
              record->judgement.verdict == VERDICT_DROPPED))
        text_addf(&sender->why, "no repair cures it (%s); --as-is sends it nevertheless",
                  rule_row(record->judgement.reason)->name);
    else if (!sender->is_as_is && record->is_judged)
        *out = record->judgement.payload;
    return sender->why.n == 0;
}

static void
add_result(struct sender *sender, const char *id, bool is_repaired)
{
    struct text *out = &sender->out;
    const char *word = !sender->is_taken ? "refused" : is_repaired ? "repaired" : "replayed";
    sender->n_taken += sender->is_taken;
    sender->n_refused += !sender->is_taken;
    if (sender->q->is_json) {
        text_addf(out,
                  "%s\n  {\"id\": \"%s\", \"result\": \"%s\", \"why\": ", out->n > 0 ? "," : "", id,
                  word);
        text_add_json(out, text_bytes(&sender->why));
        text_add(out, "}");
    } else if (!sender->is_taken || !sender->q->has_choice || sender->q->in->verbose > 0) {
        text_addf(out, "%s  %s%s%s\n", id, word, sender->why.n > 0 ? ": " : "",
                  sender->why.n > 0 ? sender->why.p : "");
    }
}

static int
send_one(struct sender *sender, const char *id)
{
    struct json_tree *item;
    struct aside_record record;
    struct bytes payload;
    int result = command_quarantine_fetch(sender->q, id, &item);
    text_clear(&sender->why);
    sender->is_taken = false;
    if (result == COMMAND_NO_INPUT) { /* told; the others are sent all the same */
        sender->n_refused++;
        return COMMAND_OK;
    }
    if (result != COMMAND_OK)
        return result;
    if (!aside_record_open(&record, item, &sender->judge, LANGUAGE_NONE)) {
        text_add(&sender->why, "its payload is no base64");
        add_result(sender, id, false);
    } else {
        if (choose_payload(sender, &record, &payload))
            result = call(sender, record.row->path, payload);
        if (result == COMMAND_OK)
            add_result(sender, id, !bytes_equal(payload, record.payload));
        aside_record_close(&record);
    }
    json_tree_free(&item);
    return result;
}

static int
write_results(struct sender *sender)
{
    struct text out = TEXT_EMPTY;
    if (sender->q->is_json)
        text_addf(&out,
                  "{\"results\": [%s%s],\n \"summary\": {\"taken\": %" PRIu64
                  ", \"refused\": %" PRIu64 "}}\n",
                  sender->out.n > 0 ? sender->out.p : "", sender->out.n > 0 ? "\n" : "",
                  sender->n_taken, sender->n_refused);
    else
        text_addf(&out, "%s%" PRIu64 " taken by %s, %" PRIu64 " refused; all stay in quarantine\n",
                  sender->out.n > 0 ? sender->out.p : "", sender->n_taken,
                  command_value(sender->q->in, "to"), sender->n_refused);
    text_fini(&sender->out);
    return command_write(&out);
}

static int
send_all(struct sender *sender, const struct net_address *address,
         const struct command_quarantine_ids *ids)
{
    int result = COMMAND_OK;
    struct grpc_channel_settings settings = {
        .address = *address,
        .authority = command_value(sender->q->in, "to"),
        .auth_token = "",
        .connect_timeout_us = CONNECT_US,
        .backoff_initial_us = CONNECT_US / 10,
        .backoff_max_us = CONNECT_US / 3,
    };
    sender->loop = loop_new();
    sender->channel = grpc_channel_new(sender->loop, &settings);
    aside_judge_init(&sender->judge, sender->q->client.conf);
    sender->start_us = clock_fresh_us();
    for (uint32_t i = 0; i < ids->n && result == COMMAND_OK; i++)
        result = send_one(sender, ids->ids[i]);
    if (result == COMMAND_OK || sender->n_sent > 0) {
        int written = write_results(sender);
        result = result != COMMAND_OK ? result : written;
    }
    aside_judge_fini(&sender->judge);
    grpc_channel_free(&sender->channel);
    loop_run_once(sender->loop, 0); /* what is freed late */
    loop_free(&sender->loop);
    text_fini(&sender->why);
    text_fini(&sender->out);
    return result;
}

int
command_quarantine_send(const struct command_quarantine *q)
{
    struct sender sender = {.q = q, .is_as_is = command_has(q->in, "as-is")};
    struct command_quarantine_ids ids = {.n = 0};
    struct net_address address;
    if (!command_number(q->in, "rate", MOST_RATE, &sender.rate))
        return COMMAND_USAGE;
    int result = resolve(q->in, command_value(q->in, "to"), &address);
    if (result == COMMAND_OK)
        result = command_quarantine_pick(q, &ids);
    if (result == COMMAND_OK)
        result = send_all(&sender, &address, &ids);
    command_quarantine_ids_fini(&ids);
    if (result != COMMAND_OK)
        return result;
    return sender.n_refused > 0 ? COMMAND_FOUND : COMMAND_OK;
}
