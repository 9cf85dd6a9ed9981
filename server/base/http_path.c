/* Rows of the table of HTTP paths. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/http_path.h"

enum { BODY_ONE, BODY_LIST };

static const struct http_path_row rows[HTTP_PATH_COUNT] = {
#define HTTP_PATH(token, path, body, method, sentence) \
    {HTTP_PATH_##token, path, BODY_##body == BODY_LIST, METHOD_##method, sentence},
    HTTP_PATHS(HTTP_PATH)
#undef HTTP_PATH
};

static const int statuses[HTTP_STATUS_COUNT] = {
#define HTTP_STATUS(number) (number),
    HTTP_STATUSES(HTTP_STATUS)
#undef HTTP_STATUS
};

const struct http_path_row *
http_path_row(enum http_path path)
{
    return &rows[path];
}

const struct http_path_row *
http_path_find(const char *text)
{
    for (unsigned i = 0; i < HTTP_PATH_COUNT; i++)
        if (strcmp(rows[i].text, text) == 0)
            return &rows[i];
    return NULL;
}

uint32_t
http_path_metric_index(const struct http_path_row *row, int status)
{
    uint32_t index = 0;
    while (index < HTTP_STATUS_COUNT - 1 && statuses[index] != status)
        index++;
    return (row != NULL ? (uint32_t)row->path : HTTP_PATH_COUNT) * HTTP_STATUS_COUNT + index;
}

const char *
http_path_label(uint32_t index)
{
    uint32_t path = index / HTTP_STATUS_COUNT;
    return path < HTTP_PATH_COUNT ? rows[path].text + 1 : "unknown";
}

const char *
http_path_status_label(uint32_t index)
{
    static const char *const labels[HTTP_STATUS_COUNT] = {
#define HTTP_STATUS(number) #number,
        HTTP_STATUSES(HTTP_STATUS)
#undef HTTP_STATUS
    };
    uint32_t status = index % HTTP_STATUS_COUNT;
    return status == HTTP_STATUS_COUNT - 1 ? "other" : labels[status];
}
