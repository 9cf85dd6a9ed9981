/* Finds the record that a backend refuses while it takes all others. */
/* SPDX-License-Identifier: Apache-2.0 */
/* A batch refused twice becomes its method's suspect, one at a time, and is cut in two again and
 * again, the pieces going out one after the other. A record alone is set aside after three
 * refusals, and only with proof that the backend committed others of the method meanwhile: else the
 * backend is ill, and everything would end in quarantine.
 *
 * Cutting needs the proof too, with one way out: when every batch holds a bad record nothing is
 * ever committed, so after four refusals a batch is cut to see whether a piece passes. Cutting
 * alone harms nobody, and it ends after BLIND_CUTS refusals in a row. */
#include "base/check.h"
#include "base/log.h"
#include "forward/forward_int.h"

enum { SUSPECT_AFTER = 2, BLIND_AFTER = 4, BLIND_CUTS = 16, ASIDE_AFTER = 3 };

bool
isolate_has_proof(const struct sending *sending, const struct backend *backend)
{
    return sending->failed_us != 0 && backend->committed_us[sending->method] > sending->failed_us;
}

static void
set_aside(struct sending *sending, const struct backend *backend)
{
    log_warn("forward", "a record is set aside: the backend refuses it alone",
             "backend=%s method=%s bytes=%llu", backend->name, method_row(sending->method)->path,
             (unsigned long long)sending->batch->n_bytes);
    store_set_aside(sending->forward->store, &sending->batch);
    sending_end(sending);
}

static void
again(struct sending *sending)
{
    struct forward *forward = sending->forward;
    sending->n_tries++;
    /* Suspects go one at a time anyway. */
    sending->must_pay = !sending->is_suspect;
    sending_wait(sending,
                 retry_delay_us(&forward->shared->settings, sending->n_tries, &forward->random));
}

static void
cut(struct sending *sending)
{
    struct forward *forward = sending->forward;
    struct store_batch *half;
    store_split(forward->store, sending->batch, &half);
    struct sending *other = sending_new(forward, half);
    other->avoid = sending->avoid;
    sending_set_suspect(other, true);
    /* Each piece is judged by what happens to itself. */
    sending->failed_us = 0;
    sending->n_refused = 0;
    sending->n_tries = 0;
    /* This half at once, the other when this one is told apart. */
    sending_wait(sending, 0);
}

static bool
may_cut(const struct sending *sending, bool has_proof)
{
    const struct isolation *isolation = &sending->forward->isolation[sending->method];
    if (sending->is_suspect)
        return has_proof || isolation->n_in_a_row < BLIND_CUTS;
    return isolation->n_members == 0 && sending->n_refused >= SUSPECT_AFTER &&
           (has_proof || sending->n_refused >= BLIND_AFTER);
}

void
isolate_on_refused(struct sending *sending, const struct backend *backend)
{
    struct isolation *isolation = &sending->forward->isolation[sending->method];
    sending->n_refused++;
    if (sending->failed_us == 0)
        sending->failed_us = sending->started_us;
    if (sending->is_suspect)
        isolation->n_in_a_row++;
    bool has_proof = isolate_has_proof(sending, backend);
    if (sending->batch->n == 1) {
        if (sending->n_refused >= ASIDE_AFTER && has_proof)
            set_aside(sending, backend);
        else
            again(sending);
        return;
    }
    if (!may_cut(sending, has_proof)) {
        again(sending);
        return;
    }
    if (!sending->is_suspect) {
        isolation->n_in_a_row = 0;
        sending_set_suspect(sending, true);
    }
    cut(sending);
}

void
isolate_on_commit(struct forward *forward, enum method method)
{
    forward->isolation[method].n_in_a_row = 0;
}

void
isolate_turn(struct forward *forward)
{
    if (forward->n_suspects == 0)
        return;
    struct sending *sending, *before;
    /* The youngest first: the other half of what was cut last. */
    for (sending = TAILQ_LAST(&forward->lists[SENDING_PARKED], sending_list); sending != NULL;
         sending = before) {
        before = TAILQ_PREV(sending, sending_list, link);
        if (sending->is_suspect && forward->isolation[sending->method].n_active == 0)
            sending_set_state(sending, SENDING_READY);
    }
}
