/* Inflating gzip and deflate, with a limit. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "grpc/grpc_codec.h"

#include <zlib.h>

#include "base/check.h"
#include "base/mem.h"

enum { FIRST_BYTES = 16 * 1024, LEAST_GZIP = 18 };
/* zlib's window bits say the form too. */
enum { WINDOW_ZLIB = 15, WINDOW_GZIP = 15 + 16, WINDOW_RAW = -15 };

struct grpc_codec {
    struct budget *budget;
    z_stream zlib;
    bool is_ready;
    uint8_t *out;
    uint32_t size; /* charged beyond FIRST_BYTES only: that much stays for good */
};

struct grpc_codec *
grpc_codec_new(struct budget *budget)
{
    struct grpc_codec *codec = mem_new(struct grpc_codec);
    codec->budget = budget;
    return codec;
}

void
grpc_codec_free(struct grpc_codec **codec)
{
    if (*codec == NULL)
        return;
    grpc_codec_release(*codec);
    if ((*codec)->is_ready)
        inflateEnd(&(*codec)->zlib);
    mem_free((*codec)->out);
    mem_free(*codec);
    *codec = NULL;
}

void
grpc_codec_release(struct grpc_codec *codec)
{
    if (codec->size <= FIRST_BYTES)
        return;
    budget_give(codec->budget, codec->size - FIRST_BYTES);
    mem_free(codec->out);
    codec->out = NULL;
    codec->size = 0;
}

uint32_t
grpc_codec_claim(struct bytes message)
{
    if (message.n < LEAST_GZIP)
        return 0;
    const uint8_t *end = message.p + message.n;
    return (uint32_t)end[-4] | (uint32_t)end[-3] << 8 | (uint32_t)end[-2] << 16 |
           (uint32_t)end[-1] << 24;
}

static void
grow(struct grpc_codec *codec, uint32_t limit)
{
    uint64_t size = codec->size ? (uint64_t)codec->size * 2 : FIRST_BYTES;
    if (size > limit && limit > FIRST_BYTES)
        size = limit;
    uint32_t charged = codec->size > FIRST_BYTES ? codec->size - FIRST_BYTES : 0;
    if (size > FIRST_BYTES)
        budget_take_always(codec->budget, size - FIRST_BYTES - charged);
    codec->out = mem_resize(codec->out, size);
    codec->size = (uint32_t)size;
}

static bool
prepare(struct grpc_codec *codec, struct bytes message, int window)
{
    if (codec->is_ready) {
        if (inflateReset2(&codec->zlib, window) != Z_OK)
            return false;
    } else {
        codec->zlib = (z_stream){0};
        if (inflateInit2(&codec->zlib, window) != Z_OK)
            return false;
        codec->is_ready = true;
    }
    union {
        const uint8_t *in;
        uint8_t *out;
    } lent = {.in = message.p};
    codec->zlib.next_in = lent.out;
    codec->zlib.avail_in = (uInt)message.n;
    return true;
}

/* One step of inflate into what room there is up to limit, or, at the limit, one byte beyond. */
static int
step(struct grpc_codec *codec, uint32_t *n, uint32_t limit, bool *is_beyond)
{
    uint8_t beyond;
    if (*n == codec->size && *n < limit)
        grow(codec, limit);
    uint32_t room = (codec->size < limit ? codec->size : limit) - *n;
    codec->zlib.next_out = room > 0 ? codec->out + *n : &beyond;
    codec->zlib.avail_out = room > 0 ? room : 1;
    int result = inflate(&codec->zlib, Z_NO_FLUSH);
    uint32_t made = (room > 0 ? room : 1) - codec->zlib.avail_out;
    *is_beyond = room == 0 && made > 0;
    if (room > 0)
        *n += made;
    return result;
}

static enum err
inflate_all(struct grpc_codec *codec, struct bytes message, int window, uint32_t limit,
            struct bytes *out)
{
    uint32_t n = 0;
    bool is_beyond = false;
    int result = Z_OK;
    *out = BYTES_NONE;
    if (!prepare(codec, message, window))
        return ERR_GZIP;
    /* Without progress zlib says Z_BUF_ERROR, so a member that is cut off ends this as well. */
    while (result == Z_OK && !is_beyond)
        result = step(codec, &n, limit, &is_beyond);
    *out = bytes_of(codec->out, n);
    if (is_beyond)
        return ERR_TOO_LARGE;
    return result == Z_STREAM_END && codec->zlib.avail_in == 0 ? ERR_OK : ERR_GZIP;
}

enum err
grpc_codec_inflate(struct grpc_codec *codec, struct bytes message, uint32_t limit,
                   struct bytes *out)
{
    return inflate_all(codec, message, WINDOW_GZIP, limit, out);
}

/* A zlib header (RFC 1950, 2.2): method 8, and 31 divides both bytes together. */
static bool
has_zlib_header(struct bytes body)
{
    return body.n >= 2 && (body.p[0] & 0x0f) == 8 && (body.p[0] << 8 | body.p[1]) % 31 == 0;
}

enum err
grpc_codec_inflate_deflate(struct grpc_codec *codec, struct bytes body, uint32_t limit,
                           struct bytes *out)
{
    return inflate_all(codec, body, has_zlib_header(body) ? WINDOW_ZLIB : WINDOW_RAW, limit, out);
}
