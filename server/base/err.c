/* Lookups in the table of errors. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <errno.h>
#include <stddef.h>

#include "tables/statuses.h"

struct row {
    enum err err;
    const char *name, *words;
    int status;
    const char *advice;
};

static const struct row rows[] = {
#define E(token, code, words, status, advice) {ERR_##token, #token, words, status, advice},
    ERRORS(E)
#undef E
};

static const struct row *
find(enum err err)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].err == err)
            return &rows[i];
    return &rows[0];
}

const char *
err_words(enum err err)
{
    return find(err)->words;
}

const char *
err_name(enum err err)
{
    return find(err)->name;
}

int
err_grpc_status(enum err err)
{
    return find(err)->status;
}

const char *
err_status_name(int status)
{
    static const char *const names[] = {
#define STATUS(name) #name,
        STATUSES(STATUS)
#undef STATUS
    };
    if (status < 0 || (size_t)status >= sizeof(names) / sizeof(names[0]))
        return "UNKNOWN";
    return names[status];
}

const char *
err_advice(enum err err)
{
    return find(err)->advice;
}

enum err
err_from_errno(int error_number)
{
    switch (error_number) {
    case 0:
        return ERR_OK;
    case EMFILE:
    case ENFILE:
        return ERR_DESCRIPTORS;
    case ENOMEM:
    case ENOBUFS:
        return ERR_BUDGET;
    case ECONNREFUSED:
        return ERR_REFUSED;
    case ECONNRESET:
    case EPIPE:
    case ECONNABORTED:
        return ERR_CLOSED;
    case ETIMEDOUT:
        return ERR_TIMEOUT;
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EADDRNOTAVAIL:
        return ERR_UNREACHABLE;
    case EADDRINUSE:
        return ERR_IN_USE;
    case EACCES:
    case EPERM:
    case EROFS:
        return ERR_PERMISSION;
    case ENOSPC:
    case EDQUOT:
        return ERR_NO_SPACE;
    case EIO:
        return ERR_IO;
    case ENOENT:
        return ERR_NOT_FOUND;
    case ENOTDIR:
        return ERR_NOT_DIRECTORY;
    default:
        return ERR_SYSTEM;
    }
}
