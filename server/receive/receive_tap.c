/* Who looks on live: each segment that was taken is offered to them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/check.h"
#include "receive/receive_int.h"

void
receive_add_tap(struct receive *receive, struct tap *tap, uint32_t ring)
{
    check(receive->n_taps < TAP_MOST);
    receive->taps[receive->n_taps++] = (struct receive_tap){tap, ring};
}

void
receive_remove_tap(struct receive *receive, const struct tap *tap)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < receive->n_taps; i++)
        if (receive->taps[i].tap != tap)
            receive->taps[n++] = receive->taps[i];
    receive->n_taps = n;
}

void
receive_show_taps(const struct receive *receive, struct bytes segment,
                  const struct judgement *judgement)
{
    for (uint32_t i = 0; i < receive->n_taps; i++)
        tap_offer(receive->taps[i].tap, receive->taps[i].ring, segment, judgement);
}
