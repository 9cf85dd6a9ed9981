/* What the files of conf/ share: the option table as typed rows, nodes of a file, places. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONF_CONF_INT_H
#define CONF_CONF_INT_H

#include <stdarg.h>
#include <stdatomic.h>

#include "base/arena.h"
#include "conf/conf.h"

enum {
    CONF_MAX_FILE_BYTES = 1024 * 1024,
    CONF_MAX_SECRET_BYTES = 64 * 1024,
    CONF_MAX_DEPTH = 16,
    CONF_MAX_NODES = 50000,
    CONF_MAX_ENTRIES = 1000, /* of one mapping */
    CONF_MAX_SCRATCH_BYTES = 32 * 1024 * 1024,
    CONF_MAX_DIAGS = 200,
    CONF_WORD_MAX = 64, /* characters of a value shown in a message */
};

/* In the order of the text above OPTIONS. */
enum conf_type {
    CONF_BOOL,
    CONF_INT,
    CONF_INT_AUTO,
    CONF_FACTOR,
    CONF_SIZE,
    CONF_SIZE_AUTO,
    CONF_DURATION,
    CONF_PERCENT,
    CONF_ENUM,
    CONF_STRING,
    CONF_PATH,
    CONF_ADDRESS,
    CONF_SECRET,
    CONF_STRINGS,
    CONF_ADDRESSES,
    CONF_SECRETS,
    CONF_PAIRS,
    CONF_ACTIONS,
    CONF_SERVICES,
};

struct conf_words {
    const char *const *items;
    uint32_t n;
};

struct conf_row {
    const char *section; /* "buffer.memory."; empty at the top */
    const char *name;    /* "max" */
    const char *path;    /* "buffer.memory.max" */
    enum conf_type type;
    size_t offset;           /* of its field in struct conf */
    struct conf_words words; /* of CONF_ENUM */
    const char *value;       /* the default as written */
    const char *least, *most;
    bool is_live;
    const char *sentence;
};

struct conf_section_row {
    const char *path; /* "buffer.memory" */
    const char *sentence;
};

uint32_t conf_row_count(void);
const struct conf_row *conf_row_at(uint32_t i);
/* NULL when unknown. */
const struct conf_row *conf_row_find(const char *path);
uint32_t conf_row_index(const struct conf_row *);
const struct conf_section_row *conf_section_find(const char *path);
/* The sections in the order of the table; NULL beyond the last. */
const struct conf_section_row *conf_section_at(uint32_t i);
/* What happened, and what to do, by the number of OPTION_CODES. */
const char *conf_code_words(uint16_t code);
const char *conf_code_advice(uint16_t code);
/* The words of integrity.mode, for integrity.services. */
struct conf_words conf_mode_words(void);
bool conf_type_is_secret(enum conf_type);
/* A name of upstream.kafka.properties whose value nobody should see. */
bool conf_name_is_secret(const char *name);
/* Takes a list or mapping, so "a,b" and JSON are read in the environment and flags. */
bool conf_type_is_many(enum conf_type);

/* Where something stands. file lives as long as the arena it was made in. */
struct conf_place {
    const char *file;
    uint32_t line, col; /* from 1; 0: no place in a file */
    uint32_t width;     /* characters on its first line */
    uint32_t end_line;
};

enum conf_origin {
    CONF_FROM_DEFAULT,
    CONF_FROM_FILE,
    CONF_FROM_SATELLITE, /* a variable of SkyWalking Satellite */
    CONF_FROM_ENVIRONMENT,
    CONF_FROM_FLAG,
};

/* What is known of one row's value, beside the value. */
struct conf_setting {
    enum conf_origin origin;
    struct conf_place place;
    bool is_auto;
    bool is_expanded;      /* held a ${...} */
    const char *twin_file; /* came by its _file twin, which named this; NULL: by itself */
    bool is_bad;           /* an error was told about it: no cross-checks on top */
};

struct conf_own {
    _Atomic uint32_t n_refs;
    struct arena *arena; /* every string and array of this snapshot */
    struct conf_setting *settings;
    const char *file;
};

/* The field of a row. */
static inline void *
conf_field(struct conf *conf, const struct conf_row *row)
{
    return (char *)conf + row->offset;
}
static inline const void *
conf_field_of(const struct conf *conf, const struct conf_row *row)
{
    return (const char *)conf + row->offset;
}
static inline const struct conf_setting *
conf_setting_of(const struct conf *conf, const struct conf_row *row)
{
    return &conf->own->settings[conf_row_index(row)];
}

/* One item of a YAML file, or a value of the environment or a flag in the same shape. */
enum conf_node_kind { CONF_NODE_SCALAR, CONF_NODE_LIST, CONF_NODE_MAP };
struct conf_node {
    enum conf_node_kind kind;
    const char *text; /* of a scalar */
    bool is_null;     /* a plain scalar that is empty, ~ or null */
    bool is_expanded;
    bool is_broken; /* an error was added already */
    struct conf_place place;
    const char *key; /* in a mapping; else NULL */
    struct conf_place key_place;
    struct conf_node *first, *last, *next;
    uint32_t n;
};

struct conf_secret_place {
    struct conf_secret_place *next;
    struct conf_place place;
};

/* The work of one conf_load; its stack. */
struct conf_loading {
    struct conf *conf; /* under construction */
    struct arena *scratch;
    const struct conf_input *input;
    struct conf_diags *diags;
    enum conf_origin origin; /* of what is being applied */
    struct conf_secret_place *secrets;
    const struct conf_node *addresses; /* upstream.addresses, item by item; NULL: the default */
    const struct conf_node *topics, *properties; /* of upstream.kafka, pair by pair; the same */
    bool has_unknown_keys;
    bool file_is_public; /* everybody on this machine can read it */
};

/* conf_diag.c */
void conf_diag_add(struct conf_diags *, enum conf_severity, uint16_t code,
                   const struct conf_place *, const char *suggestion, const char *format, ...)
    __attribute__((format(printf, 6, 7)));
/* Whether another one would be kept: did-you-mean is worth its time. */
bool conf_diag_has_room(const struct conf_diags *);
/* Sorts by place, and takes the lines of the file, secrets masked. */
void conf_diag_finish(struct conf_diags *, const char *file, struct bytes yaml,
                      const struct conf_secret_place *);
/* A value for a message: quoted, escaped, cut; lives in the arena. */
const char *conf_diag_quote(struct arena *, const char *value);

/* conf_yaml.c: NULL when an error was added. The text must outlive the call only. */
struct conf_node *conf_yaml_parse(struct arena *, struct conf_diags *, const char *file,
                                  struct bytes yaml);
/* A scalar node as if it had been written; text is not copied. */
struct conf_node *conf_yaml_scalar(struct arena *, const char *text, const struct conf_place *);
void conf_yaml_append(struct conf_node *parent, struct conf_node *child);

/* conf_load.c */
/* What stands there, and below, is masked in messages. */
void conf_loading_add_secret(struct conf_loading *, const struct conf_node *);
/* Sets the row of this path, or adds what is wrong; false: there is no such row. */
bool conf_loading_apply(struct conf_loading *, const char *path, const struct conf_node *);
/* What is known of the row of this path, which must exist: set by hand; told to be wrong; where to
 * point. */
bool conf_loading_is_set(const struct conf_loading *, const char *path);
bool conf_loading_is_bad(const struct conf_loading *, const char *path);
struct conf_place conf_loading_place(const struct conf_loading *, const char *path);

/* conf_env.c */
/* Replaces ${...} and $$ in all scalars below. */
void conf_env_expand(struct conf_loading *, struct conf_node *);
/* conf_satellite_env.c: SATELLITE_* of the environment. */
void conf_satellite_apply(struct conf_loading *);
/* SPANGATE_A__B of the environment, then --set. */
void conf_env_apply(struct conf_loading *);
void conf_env_apply_sets(struct conf_loading *);

/* conf_value.c, conf_value_many.c, conf_secret.c: set the row's field from the node, or add what is
 * wrong. */
void conf_value_set(struct conf_loading *, const struct conf_row *, const struct conf_node *);
/* conf_secret.c: the value stands in the file that the node names. */
void conf_secret_set(struct conf_loading *, const struct conf_row *, const struct conf_node *);
/* One scalar of text into its field. */
bool conf_value_set_text(struct conf_loading *, const struct conf_row *, const struct conf_node *);
/* Where the row's value comes from, good or bad. twin_file: as conf_setting has it, copied. */
void conf_value_note(struct conf_loading *, const struct conf_row *, const struct conf_node *,
                     const char *twin_file);
/* An error about a value keeps cross-checks from adding theirs. */
void conf_value_note_errors(struct conf_loading *, const struct conf_row *, uint32_t n_before,
                            bool broken);
/* "...": quoted for a message. */
const char *conf_value_quote(struct conf_loading *, const struct conf_node *);
bool conf_value_many(struct conf_loading *, const struct conf_row *, const struct conf_node *);
/* Strings that go into the snapshot. */
const char *conf_value_keep(struct conf_loading *, const char *);
void conf_value_wrong(struct conf_loading *, uint16_t code, const struct conf_node *,
                      const char *suggestion, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/* "error, warn, info or debug" in the scratch arena. */
const char *conf_value_words(struct conf_loading *, struct conf_words);
bool conf_value_text_is_fine(struct conf_loading *, const struct conf_row *,
                             const struct conf_node *);
/* Well-formed address of a backend. */
bool conf_value_backend(struct conf_loading *, const struct conf_row *, const struct conf_node *);

/* conf_parse.c */
enum conf_parse { CONF_PARSE_OK, CONF_PARSE_NUMBER, CONF_PARSE_NO_UNIT, CONF_PARSE_UNIT };
enum conf_parse conf_parse_unit(const char *text, enum conf_type, double *out);
/* The unit that was meant ("MB": "MiB"); NULL: no idea. */
const char *conf_parse_nearest_unit(const char *unit, enum conf_type);
struct conf_host_port {
    char host[256];
    uint16_t port;
    bool is_v6;
};
/* "host:port", "[v6]:port", ":port". False: no port 0..65535, or the host is too long. */
bool conf_parse_host_port(const char *text, struct conf_host_port *);

/* conf_print.c: the value of a row as it would be written in the file, secrets masked. */
void conf_add_value(const struct conf *, const struct conf_row *, struct text *);

/* conf_check.c: works out auto values and holds settings against each other. */
void conf_check(struct conf_loading *);
/* conf_check_tls.c: certificates and keys. */
void conf_check_tls(struct conf_loading *);
/* conf_check_kafka.c: brokers, topics and properties. */
void conf_check_kafka(struct conf_loading *);
/* conf_check_disk.c: spool and quarantine. */
void conf_check_disk(struct conf_loading *, const struct conf_system *);

#endif
