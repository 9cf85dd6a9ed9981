/* Anything as requests to the operator's API: through HTTP, access and routes to a handler. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Input: a byte of script (bit 0: the client resets the connection at once, bit 1: what is deferred
 * is never answered), then the client's bytes. Whatever reaches a handler has passed the checks:
 * an element is printable, a change had the token. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin/admin_api.h"
#include "base/check.h"

enum { RESETS = 1, LEAVES = 2, TURNS = 4, PENDINGS = 64 };
#define TOKEN "correct-horse"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct http1_pending *pending[PENDINGS];
static uint32_t n_pending;

static void
check_element(struct bytes element)
{
    check(element.n <= 128);
    for (size_t i = 0; i < element.n; i++)
        check(element.p[i] > ' ' && element.p[i] < 0x7f);
}

static void
on_get(void *ctx, struct http1_request *request, struct bytes element)
{
    (void)ctx;
    uint64_t limit;
    check_element(element);
    if (!admin_query_number(request, "limit", 1, 9, 5, &limit))
        return;
    check(limit >= 1 && limit <= 9);
    admin_answer_error(request, 200, http1_path(request));
}

static void
on_gone(void *ctx)
{
    *(struct http1_pending **)ctx = NULL;
}

static void
on_change(void *ctx, struct http1_request *request, struct bytes element)
{
    (void)ctx;
    const char *shown = http1_header(request, "Authorization");
    check_element(element);
    check(shown != NULL && strcasestr(shown, TOKEN) != NULL);
    check(http1_body(request).n <= ADMIN_MAX_BODY);
    if (n_pending == PENDINGS) {
        admin_answer_error(request, 503, "busy");
        return;
    }
    pending[n_pending] = http1_defer(request, on_gone, &pending[n_pending]);
    n_pending++;
}

static const struct admin_route routes[] = {
    {"GET", "/a", on_get},
    {"GET", "/a/*", on_get},
    {"POST", "/a/*/b", on_change},
    {"DELETE", "/a/*", on_change},
};
static const struct admin_routes table = {routes, 4, NULL};

static void
write_token(char *path)
{
    int descriptor = mkstemp(path);
    check(descriptor >= 0);
    check(write(descriptor, TOKEN, sizeof(TOKEN) - 1) == (ssize_t)sizeof(TOKEN) - 1);
    close(descriptor);
}

/* NULL: for the moment the system has no port to spare. */
static struct admin_api *
open_api(struct loop *loop, int *client)
{
    char path[] = "/tmp/spangate-fuzz-XXXXXX";
    struct text why = TEXT_EMPTY;
    struct admin_api *api = NULL;
    struct net_address bound;
    write_token(path);
    const struct admin_api_settings settings = {.address = "127.0.0.1:0",
                                                .socket = "",
                                                .token_file = path,
                                                .tables = &table,
                                                .n_tables = 1};
    enum err err = admin_api_open(loop, &settings, &why, &api);
    unlink(path);
    text_fini(&why);
    if (err != ERR_OK)
        return NULL;
    check(admin_api_address(api, &bound));
    *client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(*client >= 0);
    if (connect(*client, (const struct sockaddr *)&bound.storage, bound.length) == 0)
        return api;
    close(*client);
    admin_api_close(&api);
    return NULL;
}

static void
answer_pending(uint8_t script)
{
    for (uint32_t i = 0; i < n_pending; i++)
        if (pending[i] != NULL && !(script & LEAVES))
            http1_pending_answer(&pending[i], 200, ADMIN_JSON, BYTES("{}"));
}

/* The reset keeps ports from waiting for late packets. */
static void
end(int descriptor)
{
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(descriptor);
}

static void
converse(struct loop *loop, int client, uint8_t script, struct bytes bytes)
{
    ssize_t sent = send(client, bytes.p, bytes.n, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)sent;
    if (script & RESETS)
        end(client);
    for (int i = 0; i < TURNS; i++) {
        loop_run_once(loop, 0);
        answer_pending(script);
    }
    if (!(script & RESETS))
        end(client);
    loop_run_once(loop, 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 1)
        return 0;
    struct loop *loop = loop_new();
    int client = -1;
    struct admin_api *api = open_api(loop, &client);
    n_pending = 0;
    if (api != NULL)
        converse(loop, client, data[0], bytes_of(data + 1, n - 1));
    admin_api_close(&api);
    for (uint32_t i = 0; i < n_pending; i++)
        check(pending[i] == NULL);
    loop_free(&loop);
    return 0;
}
