/* One segment's edits: the tag with the rule names, and the loss-free repairs R2 to R5. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Source: integrity.md 0 (tag), 1.6 (repairs). The engine asks the rules' repairs span by span in
 * table order, then the tags are added, then all is applied at once. Everything lies in the arena
 * of the message. R1 comes before: rules and repairs see what is valid UTF-8. */
#ifndef INTEGRITY_REPAIR_H
#define INTEGRITY_REPAIR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "integrity/key_index.h"
#include "integrity/rule.h"
#include "message/segment_edit.h"

/* Key of the tag that names the rules a span breaks. */
#define REPAIR_TAG_KEY "sw.proxy.integrity"

struct repair {
    struct arena *arena;
    const struct rule_context *context;
    struct key_index *keys;   /* keys in use on the span keys_span: see repair_rename_tag */
    struct key_index *copies; /* free to use within one call */
    struct segment_edit *edit;
    uint32_t keys_span;
    bool *is_edited_tag; /* by tag: removed or renamed already; NULL before the first */
    bool *is_copy;       /* by span: an earlier one has the same bytes; NULL before asked */
    bool *is_removed;    /* by span; NULL before the first */
    uint32_t n_repairs;  /* edits besides tags */
    uint32_t n_tags;     /* tags added */
    uint64_t last_mask;  /* the text made last, since many spans break the same rules */
    struct bytes last_text;
    enum err err; /* the first failure; what follows it is void */
};

/* False: no repair fits, tag the finding instead. Failures stand in repair->err. */
typedef bool rule_repair_fn(struct repair *, uint32_t span);

/* keys and copies are the caller's scratch. */
void repair_init(struct repair *, struct arena *, const struct rule_context *,
                 struct key_index *keys, struct key_index *copies);
/* True when an earlier span of the segment has the same bytes. */
bool repair_is_copy(struct repair *, uint32_t span);
/* True when it has the tag already: a gate before this one looked at it. */
bool repair_is_tagged(const struct repair *, uint32_t span);
bool repair_is_removed(const struct repair *, uint32_t span);
bool repair_is_edited_tag(const struct repair *, uint32_t tag);
void repair_remove_span(struct repair *, uint32_t span);
void repair_remove_tag(struct repair *, uint32_t span, uint32_t tag);
/* R4: the key with the suffix, which is "" or ".invalid". With "" or on a Cache span, where a
 * repeated key is poison, "#2", "#3" and so on follow until nobody on the span has it. */
void repair_rename_tag(struct repair *, uint32_t span, uint32_t tag, const char *suffix);
/* R5; nothing where it is set already. */
void repair_skip_analysis(struct repair *, uint32_t span);
/* Adds the tag with the names of the rules in the mask; a span that has the key is left alone. */
void repair_add_tag(struct repair *, uint32_t span, uint64_t rules);
/* Where findings of the whole segment are tagged: the first span 0, else the last span kept. */
uint32_t repair_segment_span(const struct repair *);
/* The edited message; without edits the message itself. */
enum err repair_apply(struct repair *, struct bytes *out) MUST_CHECK;

#endif
