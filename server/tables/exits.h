/* What the process answers: its exit codes, in words. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Source: product.md 2. Words only; a number never changes its meaning.
 *
 * EXIT(token, number, what it means, what to do)
 */
#ifndef TABLES_EXITS_H
#define TABLES_EXITS_H

/* clang-format off */
#define EXITS(EXIT) \
    EXIT(OK,          0,  "all is well",                            "nothing") \
    EXIT(FOUND,       1,  "something was found, or the answer is no", "read what was printed; scripts may go on by it") \
    EXIT(USAGE,       64, "the command line is wrong",              "see: spangate help VERB") \
    EXIT(DATA,        65, "the input data is bad",                  "see the place that was named") \
    EXIT(NO_INPUT,    66, "there is no such input",                 "check the path or the id") \
    EXIT(UNAVAILABLE, 69, "the service or a backend cannot be reached", "check the address, and whether it runs: spangate doctor") \
    EXIT(BUG,         70, "spangate itself failed",                 "report it with the last lines on standard error") \
    EXIT(SYSTEM,      71, "the operating system refused",           "look at the words before it: a port in use, a missing address") \
    EXIT(IO,          74, "reading or writing failed",              "look at the disk, or at the pipe that was written to") \
    EXIT(LOCKED,      75, "another process holds the spool",        "stop the one that was named, or give each its own buffer.disk.path") \
    EXIT(PERMISSION,  77, "rights are missing",                     "run as the user of the files, or give rights to the one who runs it") \
    EXIT(CONFIG,      78, "the configuration is wrong",             "run: spangate check-config -c FILE")
/* clang-format on */

#endif
