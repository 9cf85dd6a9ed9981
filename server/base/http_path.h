/* The table of HTTP paths as typed rows. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_HTTP_PATH_H
#define BASE_HTTP_PATH_H

#include <stdbool.h>

#include "base/method.h"
#include "tables/http_paths.h"

enum http_path {
#define HTTP_PATH(token, path, body, method, sentence) HTTP_PATH_##token,
    HTTP_PATHS(HTTP_PATH)
#undef HTTP_PATH
        HTTP_PATH_COUNT
};
enum http_status_index {
#define HTTP_STATUS(number) HTTP_STATUS_##number,
    HTTP_STATUSES(HTTP_STATUS)
#undef HTTP_STATUS
        HTTP_STATUS_COUNT
};

struct http_path_row {
    enum http_path path;
    const char *text;
    bool is_list;
    enum method method;
    const char *sentence;
};

const struct http_path_row *http_path_row(enum http_path);
/* NULL when unknown. */
const struct http_path_row *http_path_find(const char *text);

/* The metric index of an answer; row NULL: an unknown path. */
uint32_t http_path_metric_index(const struct http_path_row *, int status);
/* The labels of an index: "v3/segments" or "unknown", "200" or "other". */
const char *http_path_label(uint32_t index);
const char *http_path_status_label(uint32_t index);

#endif
