/* What check-config --online and doctor look at beyond the file: backends, ports, disk, TLS. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMAND_ONLINE_H
#define COMMAND_ONLINE_H

#include "command/command.h"

enum online_verdict { ONLINE_OK, ONLINE_WARNING, ONLINE_ERROR };
struct online_finding {
    enum online_verdict verdict;
    const char *what; /* "backend", "port", "disk", "certificate": a literal */
    char *text;       /* what was found */
    const char *next; /* what to do; "" nothing */
};
/* Zero it before use; owner frees with online_fini. */
struct online {
    struct online_finding *items;
    uint32_t n;
    uint32_t n_errors, n_warnings;
    bool is_unreachable; /* a backend is */
};

void online_fini(struct online *);
void online_add(struct online *, enum online_verdict, const char *what, const char *next,
                const char *format, ...) __attribute__((format(printf, 5, 6)));
/* Every backend of the settings, at every address of its name: TCP, TLS, HTTP/2, a harmless call.
 */
void online_backends(struct online *, const struct command_input *, const struct conf *);
/* Whether the listeners' ports are free, or held by whoever. */
void online_ports(struct online *, const struct conf *);
/* Spool and quarantine: may we write there, and is there room. */
void online_disk(struct online *, const struct conf *);
/* Our own certificates, until when. */
void online_certificates(struct online *, const struct conf *);

/* "ok       backend  ..." lines; quiet: without those that are fine. */
void online_print(const struct online *, bool color, bool quiet, struct text *);
/* A JSON list. */
void online_print_json(const struct online *, struct text *);

#endif
