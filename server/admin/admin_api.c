/* Finds the route of a request and lets its handler answer. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/admin_api.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "admin/admin_access.h"
#include "base/mem.h"
#include "base/utf8.h"

enum {
    ELEMENT_MAX_BYTES = 128,
    STRING_BYTES = 256,
    /* Up to here a body that is too large is refused in our words, beyond it by net/http1. */
    HTTP_MAX_BODY = 4 * ADMIN_MAX_BODY,
};

struct admin_api {
    struct admin_access access;
    const struct admin_routes *tables;
    uint32_t n_tables;
    struct http1 *http, *local; /* NULL: none */
};

void
admin_error_json(struct text *out, const char *words)
{
    text_add(out, "{\"error\":");
    text_add_json(out, bytes_str(words));
    text_add(out, "}\n");
}

void
admin_answer_json(struct http1_request *request, int status, const struct text *json)
{
    http1_answer(request, status, ADMIN_JSON, text_bytes(json));
}

void
admin_answer_error(struct http1_request *request, int status, const char *words)
{
    struct text out = TEXT_EMPTY;
    admin_error_json(&out, words);
    admin_answer_json(request, status, &out);
    text_fini(&out);
}

/* Digits and nothing else. */
static bool
parse_number(const char *text, uint64_t *out)
{
    uint64_t value = 0;
    size_t n = strlen(text);
    if (n == 0 || n > 19)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(text[i] - '0');
    }
    *out = value;
    return true;
}

bool
admin_query_number(struct http1_request *request, const char *name, uint64_t least, uint64_t most,
                   uint64_t fallback, uint64_t *out)
{
    const char *text = http1_query(request, name);
    *out = fallback;
    if (text == NULL || (parse_number(text, out) && *out >= least && *out <= most))
        return true;
    struct text words = TEXT_EMPTY;
    text_addf(&words, "%s is a number from %llu to %llu", name, (unsigned long long)least,
              (unsigned long long)most);
    admin_answer_error(request, 400, words.p);
    text_fini(&words);
    return false;
}

bool
admin_query_filter(struct http1_request *request, struct filter **filter)
{
    const char *expression = http1_query(request, "filter");
    struct filter_error error;
    *filter = NULL;
    if (expression == NULL || filter_parse(bytes_str(expression), filter, &error))
        return true;
    struct text words = TEXT_EMPTY;
    text_addf(&words, "filter, column %zu: %s", error.column, error.text);
    admin_answer_error(request, 400, words.p);
    text_fini(&words);
    return false;
}

void
admin_add_string(struct text *out, const char *name, struct bytes value)
{
    if (value.n > STRING_BYTES) {
        /* At most three bytes more go, so that no character is cut in two. */
        size_t n = utf8_valid_prefix(bytes_of(value.p, STRING_BYTES));
        value.n = n + 3 < STRING_BYTES ? STRING_BYTES : n;
    }
    text_addf(out, ",\"%s\":", name);
    text_add_json(out, value);
}

void
admin_add_time(struct text *out, int64_t unix_ms)
{
    struct tm utc;
    time_t seconds = (time_t)(unix_ms / 1000);
    if (unix_ms <= 0 || gmtime_r(&seconds, &utc) == NULL || utc.tm_year + 1900 > 9999) {
        text_add(out, "null");
        return;
    }
    text_addf(out, "\"%04d-%02d-%02dT%02d:%02d:%02d.%03dZ\"", utc.tm_year + 1900, utc.tm_mon + 1,
              utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, (int)(unix_ms % 1000));
}

static int
hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One element of a path, decoded; false when it is none that we gave a name to. */
static bool
decode(struct bytes element, char out[ELEMENT_MAX_BYTES + 1], size_t *n)
{
    *n = 0;
    for (size_t i = 0; i < element.n; i++) {
        int c = element.p[i];
        if (c == '%') {
            int high = i + 2 < element.n ? hex_value((char)element.p[i + 1]) : -1;
            int low = high >= 0 ? hex_value((char)element.p[i + 2]) : -1;
            if (low < 0)
                return false;
            c = high * 16 + low;
            i += 2;
        }
        if (c <= ' ' || c >= 0x7f || *n == ELEMENT_MAX_BYTES)
            return false;
        out[(*n)++] = (char)c;
    }
    out[*n] = '\0';
    return *n > 0;
}

/* What stands for '*', not yet decoded; BYTES_NONE where there is no '*'. */
static bool
matches(const char *pattern, struct bytes path, struct bytes *element)
{
    const char *star = strchr(pattern, '*');
    *element = BYTES_NONE;
    if (star == NULL)
        return bytes_equal(bytes_str(pattern), path);
    struct bytes head = bytes_of(pattern, (size_t)(star - pattern)), tail = bytes_str(star + 1);
    if (path.n <= head.n + tail.n || !bytes_starts(path, head) ||
        memcmp(path.p + path.n - tail.n, tail.p, tail.n) != 0)
        return false;
    *element = bytes_of(path.p + head.n, path.n - head.n - tail.n);
    return memchr(element->p, '/', element->n) == NULL;
}

struct found {
    const struct admin_route *route; /* NULL: none with that method */
    void *ctx;
    struct bytes element;
    struct text allowed; /* methods that the path has; n 0: there is no such path */
};

static void
add_method(struct text *allowed, const char *method)
{
    if (allowed->n > 0 && strstr(allowed->p, method) != NULL)
        return;
    text_addf(allowed, "%s%s", allowed->n > 0 ? ", " : "", method);
    if (strcmp(method, "GET") == 0)
        text_add(allowed, ", HEAD");
}

static void
find_route(const struct admin_api *api, const char *method, const char *path, struct found *out)
{
    struct bytes element;
    *out = (struct found){.route = NULL, .allowed = TEXT_EMPTY};
    for (uint32_t t = 0; t < api->n_tables; t++) {
        const struct admin_routes *table = &api->tables[t];
        for (uint32_t i = 0; i < table->n; i++) {
            const struct admin_route *route = &table->routes[i];
            if (!matches(route->path, bytes_str(path), &element))
                continue;
            add_method(&out->allowed, route->method);
            if (out->route == NULL && strcmp(route->method, method) == 0) {
                out->route = route;
                out->ctx = table->ctx;
                out->element = element;
            }
        }
    }
}

static void
call(const struct found *found, struct http1_request *request)
{
    char element[ELEMENT_MAX_BYTES + 1];
    size_t n = 0;
    if (found->element.p != NULL && !decode(found->element, element, &n))
        admin_answer_error(request, 404, "there is no such thing");
    else if (http1_body(request).n > ADMIN_MAX_BODY)
        admin_answer_error(request, 413, "the body is larger than 64 KiB");
    else
        found->route->handler(found->ctx, request,
                              found->element.p != NULL ? bytes_of(element, n) : BYTES_NONE);
}

static void
on_request(void *ctx, struct http1_request *request)
{
    const struct admin_api *api = ctx;
    const char *method = http1_method(request);
    if (strcmp(method, "HEAD") == 0)
        method = "GET";
    const char *refusal = admin_access_refusal(&api->access, request, strcmp(method, "GET") != 0);
    if (refusal != NULL) {
        admin_answer_error(request, 403, refusal);
        return;
    }
    struct found found;
    find_route(api, method, http1_path(request), &found);
    if (found.route != NULL) {
        call(&found, request);
    } else if (found.allowed.n > 0) {
        http1_add_header(request, "Allow", found.allowed.p);
        admin_answer_error(request, 405, "this path does not take that method");
    } else {
        admin_answer_error(request, 404, "there is no such path");
    }
    text_fini(&found.allowed);
}

static enum err
listen_on(struct admin_api *api, struct loop *loop, const struct admin_api_settings *settings,
          struct text *why)
{
    enum err err = ERR_OK;
    if (settings->address[0] != '\0') {
        err = http1_open(loop, settings->address, HTTP_MAX_BODY, on_request, api, why, &api->http);
        if (err == ERR_OK)
            http1_address(api->http, &api->access.bound);
    }
    if (err == ERR_OK && settings->socket[0] != '\0') {
        struct text address = TEXT_EMPTY;
        text_addf(&address, "unix:%s", settings->socket);
        err = http1_open(loop, address.p, HTTP_MAX_BODY, on_request, api, why, &api->local);
        text_fini(&address);
    }
    return err;
}

enum err
admin_api_open(struct loop *loop, const struct admin_api_settings *settings, struct text *why,
               struct admin_api **out)
{
    struct admin_api *api = mem_new(struct admin_api);
    api->tables = settings->tables;
    api->n_tables = settings->n_tables;
    *out = NULL;
    enum err err = admin_access_init(&api->access, settings->token_file, why);
    if (err == ERR_OK)
        err = listen_on(api, loop, settings, why);
    if (err != ERR_OK)
        admin_api_close(&api);
    *out = api;
    return err;
}

void
admin_api_close(struct admin_api **where)
{
    struct admin_api *api = *where;
    if (api == NULL)
        return;
    http1_close(&api->http);
    http1_close(&api->local);
    admin_access_fini(&api->access);
    mem_free(api);
    *where = NULL;
}

bool
admin_api_address(const struct admin_api *api, struct net_address *out)
{
    *out = api->access.bound;
    return api->http != NULL;
}
