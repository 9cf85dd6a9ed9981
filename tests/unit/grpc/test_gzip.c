/* Compressed messages: each a gzip member of its own, within the limit, through the gate. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <zlib.h>

#include "grpc/grpc_codec.h"
#include "grpc/one_peer.h"

/* A framed gzip message of n bytes 'g'; the caller frees. */
static uint8_t *
gzip_new(size_t n, size_t *n_out)
{
    uint8_t *plain = mem_alloc(n + 1);
    memset(plain, 'g', n);
    size_t size = n / 100 + 1000;
    uint8_t *out = mem_alloc(size);
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = plain;
    z.avail_in = (uInt)n;
    z.next_out = out + 5;
    z.avail_out = (uInt)(size - 5);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    grpc_put_prefix(out, (uint32_t)z.total_out);
    out[0] = 1;
    *n_out = z.total_out + 5;
    deflateEnd(&z);
    mem_free(plain);
    return out;
}

static void
test_codec(void **state)
{
    (void)state;
    struct budget_pool pool;
    struct budget budget;
    budget_pool_init(&pool, UINT64_C(64) << 20);
    budget_init(&budget, &pool);
    struct grpc_codec *codec = grpc_codec_new(&budget);
    size_t n;
    uint8_t *framed = gzip_new(100000, &n);
    struct bytes member = bytes_of(framed + 5, n - 5), out;
    assert_int_equal(grpc_codec_claim(member), 100000);
    assert_int_equal(grpc_codec_inflate(codec, member, 100000, &out), ERR_OK);
    assert_int_equal(out.n, 100000);
    assert_int_equal(out.p[99999], 'g');
    assert_int_equal(grpc_codec_inflate(codec, member, 99999, &out), ERR_TOO_LARGE);
    assert_int_equal(out.n, 99999);
    for (size_t cut = 0; cut < member.n; cut++)
        assert_int_equal(grpc_codec_inflate(codec, bytes_of(member.p, cut), 100000, &out),
                         ERR_GZIP);
    framed[n - 8] ^= 1; /* of the checksum */
    assert_int_equal(grpc_codec_inflate(codec, member, 100000, &out), ERR_GZIP);
    grpc_codec_release(codec);
    assert_int_equal(budget.used_bytes, 0);
    mem_free(framed);
    framed = gzip_new(0, &n);
    assert_int_equal(grpc_codec_inflate(codec, bytes_of(framed + 5, n - 5), 0, &out), ERR_OK);
    assert_int_equal(out.n, 0);
    mem_free(framed);
    grpc_codec_free(&codec);
    budget_fini(&budget);
}

static void
open_all(uint64_t max_message)
{
    struct grpc_endpoint_settings settings;
    grpc_endpoint_settings_default(&settings);
    settings.max_message_bytes = max_message;
    scene_open(&scene, &settings);
    peer_open(&peer, &scene);
    peer_spin(&peer);
}

static struct peer_stream *
call_gzip(size_t plain_bytes)
{
    size_t n;
    uint8_t *out = gzip_new(plain_bytes, &n);
    struct peer_stream *s = peer_start(
        &peer,
        &(struct peer_call){.encoding = "gzip", .out = out, .n_out = n, .half_closes = true});
    for (int i = 0; i < 3; i++)
        peer_spin(&peer);
    mem_free(out);
    return s;
}

static void
test_inflated(void **state)
{
    (void)state;
    open_all(4 << 20);
    assert_int_equal(call_gzip(5000)->grpc_status, 0);
    assert_int_equal(scene.n_messages, 1);
    assert_int_equal(scene.n_bytes, 5000);
    /* Over the gate's size, and exactly the limit. */
    assert_int_equal(call_gzip(4 << 20)->grpc_status, 0);
    assert_int_equal(scene.n_messages, 2);
    assert_int_equal(scene.n_bytes, 5000 + (4 << 20));
    close_all();
}

static void
test_bomb_is_skipped(void **state)
{
    (void)state;
    open_all(2 << 20);
    assert_int_equal(call_gzip(40 << 20)->grpc_status, 0);
    assert_int_equal(scene.n_messages, 0);
    assert_int_equal(scene.n_oversize, 1);
    assert_int_equal(scene.oversize_declared, 40 << 20);
    assert_int_equal(scene.oversize_prefix, 64 * 1024);
    scene.method = method_row(METHOD_KEEP_ALIVE);
    assert_int_equal(call_gzip(40 << 20)->grpc_status, GRPC_RESOURCE_EXHAUSTED);
    close_all();
}

static void
test_broken_gzip_ends_the_call(void **state)
{
    (void)state;
    open_all(2 << 20);
    struct peer_stream *s = peer_start(&peer, &(struct peer_call){.encoding = "gzip",
                                                                  .out = "\0\0\0\0\1a\1\0\0\0\3abc",
                                                                  .n_out = 14,
                                                                  .half_closes = true});
    peer_spin(&peer);
    assert_int_equal(s->grpc_status, GRPC_INTERNAL);
    assert_int_equal(scene.n_messages, 1);
    close_all();
}

static void
test_waiting_gzip(void **state)
{
    (void)state;
    open_all(8 << 20);
    scene.take = GRPC_WAIT;
    size_t n;
    uint8_t *out = gzip_new(3 << 20, &n);
    struct peer_stream *s = peer_start(
        &peer,
        &(struct peer_call){.encoding = "gzip", .out = out, .n_out = n, .half_closes = true});
    peer_spin(&peer);
    assert_int_equal(s->grpc_status, -1);
    scene.take = GRPC_TAKEN;
    grpc_call_resume(scene.call);
    peer_spin(&peer);
    assert_int_equal(s->grpc_status, 0);
    assert_int_equal(scene.n_bytes, 3 << 20);
    mem_free(out);
    close_all();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codec),           cmocka_unit_test(test_inflated),
        cmocka_unit_test(test_bomb_is_skipped), cmocka_unit_test(test_broken_gzip_ends_the_call),
        cmocka_unit_test(test_waiting_gzip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
