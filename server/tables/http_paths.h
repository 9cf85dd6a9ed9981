/* Every path that agents post to over HTTP, and the statuses we answer with. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Source: protocol.md 7.1 and 7.3. Words only.
 *
 * HTTP_PATH(token, path, body, method, sentence)
 *   path    the metric label is this without the first slash
 *   body    ONE message, as JSON or protobuf; LIST of messages, as JSON alone
 *   method  of tables/methods.h: under which each message is judged, kept and forwarded */
#ifndef TABLES_HTTP_PATHS_H
#define TABLES_HTTP_PATHS_H

/* clang-format off */
#define HTTP_PATHS(HTTP_PATH) \
    HTTP_PATH(SEGMENT,          "/v3/segment",                      ONE,  SEGMENT_COLLECT,      "one segment") \
    HTTP_PATH(SEGMENTS,         "/v3/segments",                     LIST, SEGMENT_COLLECT,      "segments of nginx and browsers") \
    HTTP_PATH(PROPERTIES,       "/v3/management/reportProperties",  ONE,  INSTANCE_PROPERTIES,  "what an instance says of itself") \
    HTTP_PATH(KEEP_ALIVE,       "/v3/management/keepAlive",         ONE,  KEEP_ALIVE,           "an instance is alive") \
    HTTP_PATH(LOGS,             "/v3/logs",                         LIST, LOG_COLLECT,          "logs; each names its service") \
    HTTP_PATH(EVENTS,           "/v3/events",                       LIST, EVENT_COLLECT,        "events; each has a layer") \
    HTTP_PATH(PERF,             "/browser/perfData",                ONE,  BROWSER_PERF,         "load times of a page") \
    HTTP_PATH(WEB_VITALS,       "/browser/perfData/webVitals",      ONE,  BROWSER_WEB_VITALS,   "web vitals of a page") \
    HTTP_PATH(RESOURCES,        "/browser/perfData/resources",      LIST, BROWSER_RESOURCE,     "times of a page's resources") \
    HTTP_PATH(WEB_INTERACTIONS, "/browser/perfData/webInteractions", LIST, BROWSER_INTERACTIONS, "times of interactions with a page") \
    HTTP_PATH(ERROR_LOG,        "/browser/errorLog",                ONE,  BROWSER_ERRORS,       "one error in a browser, from old clients") \
    HTTP_PATH(ERROR_LOGS,       "/browser/errorLogs",               LIST, BROWSER_ERRORS,       "errors in a browser")

/* HTTP_STATUS(number): the last one, 0, stands for all others. */
#define HTTP_STATUSES(HTTP_STATUS) \
    HTTP_STATUS(200) HTTP_STATUS(204) HTTP_STATUS(400) HTTP_STATUS(403) HTTP_STATUS(404) \
    HTTP_STATUS(405) HTTP_STATUS(413) HTTP_STATUS(415) HTTP_STATUS(417) HTTP_STATUS(500) \
    HTTP_STATUS(501) HTTP_STATUS(503) HTTP_STATUS(0)
/* clang-format on */

#endif
