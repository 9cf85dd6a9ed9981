/* Tells the agent from the shape of a segment id and the language that its instance reports. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Source: integrity.md 0. In a file, where no language is known, the shape alone has to do. */
#ifndef INTEGRITY_AGENT_SHAPE_H
#define INTEGRITY_AGENT_SHAPE_H

#include "base/bytes.h"
#include "integrity/rule.h"

/* What property "language" of reportInstanceProperties says. */
enum agent_language {
    LANGUAGE_NONE, /* no such property seen: cpp2sky, or not yet */
    LANGUAGE_GO,
    LANGUAGE_JAVA,
    LANGUAGE_PYTHON,
    LANGUAGE_NODE,
    LANGUAGE_PHP,
    LANGUAGE_RUST,
    LANGUAGE_RUBY,
    LANGUAGE_DOTNET,
    LANGUAGE_LUA,
    LANGUAGE_OTHER, /* a word that no official agent sends */
    LANGUAGE_COUNT
};

enum { AGENT_ID_HEX = 32 }; /* the process's part of an id */

/* Exactly as the agents spell it. */
enum agent_language agent_language_of(struct bytes value);
/* "go", "NodeJS"; "" for none, "other". */
const char *agent_language_label(enum agent_language);

/* AGENT_IS_GO, AGENT_IS_JAVA or AGENT_UNKNOWN. */
enum agent agent_shape(struct bytes segment_id);
/* Both witnesses: where a language's shape is known and the id has another, AGENT_UNKNOWN. */
enum agent agent_identify(enum agent_language, struct bytes segment_id);

/* N of an id "32 bytes . number . N", whoever made it. */
bool agent_id_number(struct bytes id, int64_t *out);
/* The Unix time in N of a Go id. */
int64_t agent_go_time_ms(int64_t number);

#endif
