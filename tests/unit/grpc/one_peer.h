/* The usual scene: one endpoint and one hand-driven client. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_GRPC_ONE_PEER_H
#define TEST_GRPC_ONE_PEER_H

#include "grpc/peer.h"

static struct scene scene;
static struct peer peer;

static inline void
open_with(const struct grpc_endpoint_settings *settings)
{
    scene_open(&scene, settings);
    peer_open(&peer, &scene);
    peer_spin(&peer);
    assert_true(peer.is_ready);
}

static inline void
close_all(void)
{
    peer_close(&peer);
    scene_close(&scene);
}

static inline uint64_t
handled(enum method method, int status)
{
    return metric_get(scene.metrics, METRIC_GRPC_HANDLED,
                      (uint32_t)method * METRIC_CODES + (uint32_t)status);
}

static inline void
expect_end(const struct peer_call *call, int http_status, int grpc_status)
{
    struct peer_stream *s = peer_start(&peer, call);
    peer_spin(&peer);
    assert_int_equal(s->http_status, http_status);
    assert_int_equal(s->grpc_status, grpc_status);
    assert_true(s->ended);
}

#endif
