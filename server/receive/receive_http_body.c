/* The body of an HTTP request: unpacked, taken apart, each element converted and put. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "receive/receive_http_int.h"

enum {
    ARENA_KEPT_BYTES = 64 * 1024,
    /* A list of more elements than MANY takes LEAST_BYTES for each: no message is that small, and
     * some KiB of gzip would hold the worker up for seconds, with an item set aside per comma. */
    MANY = 1024,
    LEAST_BYTES = 24,
};

/* All of the request is refused; what can be kept of it is set aside as one item. */
static enum err
refuse_body(struct http_request *request, int status, struct bytes body, enum rule rule,
            const char *why)
{
    if (request->n_passed > 0) /* in an earlier round */
        return ERR_OK;
    if (body.n == 0) {
        receive_http_tell(request, "", "the body is empty");
        request->n_refused++;
        request->status = status;
        return ERR_OK;
    }
    enum err err = receive_http_put_aside(request, body, rule, why);
    if (err == ERR_OK)
        request->status = status;
    return err;
}

static enum err
put_json(struct http_request *request, struct bytes element)
{
    struct receive_http *http = request->http;
    struct message_json_error error;
    struct bytes message;
    if (element.n > http->settings.max_message_bytes)
        return receive_http_put_aside(request, element, RULE_message_oversize,
                                      "larger than listen.max_message");
    arena_set_limit(http->arena, json_convert_bytes(element.n));
    enum err err = json_convert(method_row(request->ask.path->method)->message, element,
                                http->arena, &message, &error);
    if (err == ERR_OK)
        return receive_http_put(request, message);
    return receive_http_put_aside(request, element, RULE_proto_undecodable,
                                  err == ERR_JSON ? error.text : err_words(err));
}

/* What the arena keeps for good is not charged. */
static enum err
put_element(struct http_request *request, struct bytes element)
{
    struct receive_http *http = request->http;
    struct budget *budget = http->receive->parts.budget;
    size_t n = json_convert_bytes(element.n);
    bool is_large = n > ARENA_KEPT_BYTES;
    if (is_large)
        budget_take_always(budget, n);
    enum err err = put_json(request, element);
    arena_reset(http->arena);
    if (is_large)
        budget_give(budget, n);
    return err;
}

static enum err
put_all(struct http_request *request, struct bytes text)
{
    struct message_json_error error;
    struct json_list list;
    struct bytes element;
    if (json_list_open(text, &list, &error) != ERR_OK) {
        struct text why = TEXT_EMPTY;
        text_addf(&why, "line %zu, column %zu: %s", error.line, error.column, error.text);
        enum err err = refuse_body(request, 400, text, RULE_proto_undecodable, why.p);
        text_fini(&why);
        return err;
    }
    if (list.is_list != request->ask.path->is_list)
        return refuse_body(request, 400, text, RULE_proto_undecodable,
                           list.is_list ? "one object is expected" : "a list is expected");
    if (list.n > MANY + text.n / LEAST_BYTES)
        return refuse_body(request, 400, text, RULE_proto_undecodable,
                           "more elements than there can be messages in so few bytes");
    for (uint32_t i = 0; json_list_next(&list, &element); i++) {
        if (i < request->n_passed)
            continue;
        enum err err = put_element(request, element);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

static enum err
put_body(struct http_request *request, struct bytes body)
{
    if (request->ask.form == HTTP_JSON)
        return put_all(request, body);
    if (request->n_passed > 0)
        return ERR_OK;
    if (body.n > request->http->settings.max_message_bytes)
        return receive_http_put_aside(request, body, RULE_message_oversize,
                                      "larger than listen.max_message");
    return receive_http_put(request, body);
}

enum err
receive_http_body(struct http_request *request, struct bytes body)
{
    struct receive_http *http = request->http;
    struct bytes plain = body;
    uint32_t limit = http->settings.max_body_bytes;
    enum err err = ERR_OK;
    if (request->ask.coding == HTTP_GZIP)
        err = grpc_codec_inflate(http->codec, body, limit, &plain);
    else if (request->ask.coding == HTTP_DEFLATE)
        err = grpc_codec_inflate_deflate(http->codec, body, limit, &plain);
    if (err == ERR_TOO_LARGE)
        err = refuse_body(request, 413, plain, RULE_message_oversize,
                          "unpacked it is larger than listen.http.max_body");
    else if (err != ERR_OK)
        err = refuse_body(request, 400, body, RULE_proto_undecodable,
                          "the body is not what Content-Encoding says");
    else
        err = put_body(request, plain);
    grpc_codec_release(http->codec);
    return err;
}
