/* Certificates made on the spot, as PEM files in a directory of the test's own. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPPORT_CERTIFICATES_H
#define SUPPORT_CERTIFICATES_H

#include <stdbool.h>

#include "support/temp_dir.h"

enum { CERTIFICATES_PATH = TEMP_DIR_BYTES + 32 };

/* An authority that signs itself, and a pair it signed for "localhost" and 127.0.0.1. */
struct certificates {
    char directory[TEMP_DIR_BYTES];
    char ca[CERTIFICATES_PATH], cert[CERTIFICATES_PATH], key[CERTIFICATES_PATH];
};

/* The pair is valid from begin_s to end_s, seconds from now. */
void certificates_make(struct certificates *, long begin_s, long end_s);
void certificates_remove(struct certificates *);

#endif
