/* The head of an HTTP request: origin, token, method, path, type and encoding of the body. */
/* SPDX-License-Identifier: Apache-2.0 */
/* OAP sends no CORS headers (protocol.md 7.3). We name the origin that asks, not "*": a beacon
 * carries credentials, and then browsers want it named. No answer of ours holds anything to hide.
 */
#include <strings.h>

#include "base/log.h"
#include "receive/receive_http_int.h"

#define PREFLIGHT_MAX_AGE_S "7200" /* no browser keeps it longer than a day, Chromium for 2 h */

static void
refuse(struct receive_http *http, struct http1_request *request, const struct http_path_row *path,
       int status, const char *why)
{
    struct text body = TEXT_EMPTY;
    text_add(&body, "{\"error\":");
    text_add_json(&body, bytes_str(why));
    text_add(&body, "}");
    receive_http_count(http, path, status);
    http1_answer(request, status, "application/json", text_bytes(&body));
    text_fini(&body);
}

static bool
is_allowed(const struct receive_http_settings *settings, const char *origin)
{
    for (uint32_t i = 0; i < settings->n_origins; i++)
        if (strcmp(settings->origins[i], "*") == 0 || strcasecmp(settings->origins[i], origin) == 0)
            return true;
    return false;
}

/* False: a page of an origin that may not report. */
static bool
add_origin(struct receive_http *http, struct http1_request *request)
{
    const char *origin = http1_header(request, "Origin");
    if (origin == NULL)
        return true;
    http1_add_header(request, "Vary", "Origin");
    if (!is_allowed(&http->settings, origin))
        return false;
    http1_add_header(request, "Access-Control-Allow-Origin", origin);
    http1_add_header(request, "Access-Control-Allow-Credentials", "true");
    http1_add_header(request, "Access-Control-Expose-Headers", "Retry-After");
    return true;
}

/* Connections are counted as over gRPC: once each, and not those that have shown a right one. */
static bool
shows_token(struct receive_http *http, struct http1_request *request,
            const struct http_path_row *path)
{
    const char *shown = http1_header(request, "authentication");
    struct net_address peer;
    char peer_text[NET_ADDRESS_TEXT] = "gone";
    bool is_known = receive_auth_knows(http->receive, bytes_str(shown != NULL ? shown : ""));
    bool is_new = http1_mark(request);
    if (is_known)
        return true;
    if (is_new)
        metric_add(http->receive->parts.metrics, METRIC_CONNECTIONS_REFUSED, REFUSED_AUTH, 1);
    if (http1_peer(request, &peer))
        net_address_text(&peer, peer_text);
    log_debug("receive", "request without a valid token", "path=%s peer=%s",
              path != NULL ? path->text : "unknown", peer_text);
    return false;
}

/* A browser shows no token in a preflight, and asks in it whether it may. */
static void
allow_headers(const struct receive_http *http, struct http1_request *request)
{
    const char *asked = http1_header(request, "Access-Control-Request-Headers");
    struct text allowed = TEXT_EMPTY;
    if (http->receive->parts.auth.n_tokens > 0)
        text_addf(&allowed, "authentication%s", asked != NULL ? ", " : "");
    text_add(&allowed, asked != NULL ? asked : "");
    if (allowed.n > 0)
        http1_add_header(request, "Access-Control-Allow-Headers", allowed.p);
    text_fini(&allowed);
}

static void
answer_preflight(struct receive_http *http, struct http1_request *request,
                 const struct http_path_row *path)
{
    http1_add_header(request, "Allow", "POST, OPTIONS");
    http1_add_header(request, "Access-Control-Allow-Methods", "POST, OPTIONS");
    allow_headers(http, request);
    if (http1_header(request, "Access-Control-Request-Private-Network") != NULL)
        http1_add_header(request, "Access-Control-Allow-Private-Network", "true");
    http1_add_header(request, "Access-Control-Max-Age", PREFLIGHT_MAX_AGE_S);
    receive_http_count(http, path, 204);
    http1_answer(request, 204, "application/json", BYTES_NONE);
}

static bool
ends_with(struct bytes type, struct bytes tail)
{
    return type.n >= tail.n &&
           strncasecmp((const char *)type.p + type.n - tail.n, (const char *)tail.p, tail.n) == 0;
}

static bool
is_word(struct bytes type, struct bytes word)
{
    return type.n == word.n && ends_with(type, word);
}

/* The word "protobuf" within a subtype: application/x-protobuf, application/vnd.google.protobuf. */
static bool
has_protobuf(struct bytes type)
{
    for (size_t i = 0; i <= type.n; i++)
        if (ends_with(bytes_of(type.p, i), BYTES("protobuf")))
            return true;
    return false;
}

/* A page's beacon is text/plain, which needs no preflight: taken for JSON, where OAP refuses it. */
static bool
form_of(const char *header, enum http_form *out)
{
    struct bytes type = bytes_of(header, header != NULL ? strcspn(header, "; \t") : 0);
    *out = HTTP_JSON;
    if (ends_with(type, BYTES("/json")) || ends_with(type, BYTES("+json")) ||
        is_word(type, BYTES("text/plain")))
        return true;
    *out = HTTP_PROTOBUF;
    return type.n == 0 || is_word(type, BYTES("application/octet-stream")) || has_protobuf(type);
}

static bool
coding_of(const char *header, enum http_coding *out)
{
    struct bytes coding = bytes_of(header, header != NULL ? strcspn(header, " \t") : 0);
    if (coding.n == 0 || is_word(coding, BYTES("identity")))
        *out = HTTP_IDENTITY;
    else if (is_word(coding, BYTES("gzip")) || is_word(coding, BYTES("x-gzip")))
        *out = HTTP_GZIP;
    else if (is_word(coding, BYTES("deflate")))
        *out = HTTP_DEFLATE;
    else
        return false;
    return true;
}

static bool
read_body_headers(struct receive_http *http, struct http1_request *request, struct http_ask *out)
{
    if (!form_of(http1_header(request, "Content-Type"), &out->form) ||
        (out->form == HTTP_PROTOBUF && out->path->is_list)) {
        refuse(http, request, out->path, 400,
               out->path->is_list ? "a list is sent as application/json"
                                  : "send application/json or application/x-protobuf");
        return false;
    }
    if (!coding_of(http1_header(request, "Content-Encoding"), &out->coding)) {
        http1_add_header(request, "Accept-Encoding", "gzip, deflate");
        refuse(http, request, out->path, 415, "send gzip, deflate or no encoding");
        return false;
    }
    return true;
}

bool
receive_http_head(struct receive_http *http, struct http1_request *request, struct http_ask *out)
{
    const char *method = http1_method(request);
    bool is_preflight = strcmp(method, "OPTIONS") == 0;
    *out = (struct http_ask){.path = http_path_find(http1_path(request))};
    if (!add_origin(http, request)) {
        refuse(http, request, out->path, 403, "this origin is not in listen.http.cors_origins");
        return false;
    }
    if (!is_preflight && !shows_token(http, request, out->path)) {
        refuse(http, request, out->path, 403, "no token of listen.auth.tokens is shown");
        return false;
    }
    if (out->path == NULL) {
        refuse(http, request, NULL, 404, "no agent posts to this path");
        return false;
    }
    if (is_preflight) {
        answer_preflight(http, request, out->path);
        return false;
    }
    if (strcmp(method, "POST") != 0) {
        http1_add_header(request, "Allow", "POST, OPTIONS");
        refuse(http, request, out->path, 405, "send POST");
        return false;
    }
    return read_body_headers(http, request, out);
}
