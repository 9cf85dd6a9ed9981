/* Errors by name, from tables/errors.h. */
/* SPDX-License-Identifier: Apache-2.0 */
/* A function that can fail returns enum err and puts results in trailing out-parameters. errno
 * becomes an err on the line after the system call. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "tables/errors.h"

enum err {
#define E(token, code, words, status, advice) ERR_##token = (code),
    ERRORS(E)
#undef E
};

#define MUST_CHECK __attribute__((warn_unused_result))

/* "the peer closed the connection"; never NULL. */
const char *err_words(enum err);
/* "CLOSED": the name in logs and labels. */
const char *err_name(enum err);
/* The gRPC status that tells a client about it (0..16). */
int err_grpc_status(enum err);
/* "RESOURCE_EXHAUSTED"; "UNKNOWN" for what is no gRPC status. */
const char *err_status_name(int status);
/* What an operator does about it. */
const char *err_advice(enum err);
/* The err that errno stands for; ERR_SYSTEM for what has no name here. */
enum err err_from_errno(int error_number);

#endif
