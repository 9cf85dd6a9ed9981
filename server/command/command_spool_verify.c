/* spool verify: every checksum of a spool's directory, and what does not hold, in plain words. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "command/command_spool.h"

enum { FLUSH_BYTES = 1 << 16 };

struct verify {
    const struct command_input *in;
    struct spool_summary summary;
    struct text out;
    bool is_json, is_first;
    uint64_t n_records, n_damaged, n_torn, n_unread, n_strange;
    bool has_damage;
    int written; /* what writing to standard output came to */
};

static void
flush(struct verify *v)
{
    if (v->out.n < FLUSH_BYTES || v->written != COMMAND_OK)
        return;
    v->written = command_write(&v->out);
}

static const char *
kind_of(const struct spool_seen *seen)
{
    switch (seen->verdict) {
    case SPOOL_RECORD_BAD_DATA:
        return "payload";
    case SPOOL_RECORD_BAD_HEAD:
        return "head";
    case SPOOL_RECORD_TORN:
        return "torn";
    case SPOOL_FILE_UNREAD:
        return seen->err == ERR_SPOOL_VERSION ? "version" : "unread";
    case SPOOL_FILE_BEGINS:
    case SPOOL_RECORD_HELD:
    case SPOOL_RECORD_DONE:
        break;
    }
    return "";
}

static uint64_t
n_damaged_of(const struct spool_seen *seen)
{
    return seen->verdict == SPOOL_RECORD_BAD_DATA ? 1 : seen->n_lost;
}

static void
add_words(const struct spool_seen *seen, struct text *out)
{
    unsigned long long n_bytes = seen->n_bytes, n_lost = seen->n_lost;
    switch (seen->verdict) {
    case SPOOL_RECORD_BAD_DATA:
        text_addf(out, "the payload of record %llu (%s, ", (unsigned long long)seen->head.sequence,
                  seen->is_done ? "done" : "held");
        command_spool_add_method(out, seen->head.method);
        text_addf(out, ", %u bytes) is not what was written; %s", seen->head.payload_bytes,
                  seen->is_done ? "it was done before, nothing is lost" : "this record is lost");
        break;
    case SPOOL_RECORD_BAD_HEAD:
        if (n_lost == 0 && seen->offset == 0)
            text_add(out, "the head of the file is damaged; its records can be read all the same");
        else if (n_lost == 0)
            text_addf(out, "%llu bytes are no record; none is missing", n_bytes);
        else
            text_addf(out, "%llu bytes are no record; %llu record%s %s", n_bytes, n_lost,
                      n_lost == 1 ? "" : "s", seen->is_done ? "stood there, done before" : "lost");
        break;
    case SPOOL_RECORD_TORN:
        text_addf(out,
                  "the last %llu bytes are a write that was cut off; it was never "
                  "acknowledged, nothing is lost",
                  n_bytes);
        break;
    case SPOOL_FILE_UNREAD:
        text_addf(out, "%s%s", seen->err == ERR_SPOOL_VERSION ? "" : "unreadable from here on: ",
                  err_words(seen->err));
        break;
    case SPOOL_FILE_BEGINS:
    case SPOOL_RECORD_HELD:
    case SPOOL_RECORD_DONE:
        break;
    }
}

static void
add_finding(struct verify *v, const struct spool_seen *seen)
{
    struct text words = TEXT_EMPTY;
    add_words(seen, &words);
    if (v->is_json) {
        text_addf(&v->out,
                  "%s\n {\"file\": \"%s\", \"offset\": %llu, \"kind\": \"%s\", \"lost\": %llu, "
                  "\"text\": ",
                  v->is_first ? "" : ",", seen->file, (unsigned long long)seen->offset,
                  kind_of(seen), seen->is_done ? 0ULL : (unsigned long long)n_damaged_of(seen));
        text_add_json(&v->out, text_bytes(&words));
        text_add(&v->out, "}");
    } else {
        text_addf(&v->out, "%s: byte %llu: %s\n", seen->file, (unsigned long long)seen->offset,
                  words.p);
    }
    v->is_first = false;
    text_fini(&words);
    flush(v);
}

static bool
on_seen(void *ctx, const struct spool_seen *seen)
{
    struct verify *v = ctx;
    switch (seen->verdict) {
    case SPOOL_FILE_BEGINS:
        return true;
    case SPOOL_RECORD_HELD:
    case SPOOL_RECORD_DONE:
        v->n_records++;
        return true;
    case SPOOL_RECORD_BAD_DATA:
    case SPOOL_RECORD_BAD_HEAD:
        v->n_damaged += n_damaged_of(seen);
        v->has_damage = true;
        break;
    case SPOOL_RECORD_TORN:
        v->n_torn++;
        break;
    case SPOOL_FILE_UNREAD:
        if (command_spool_is_gone(&v->summary, seen))
            return true;
        v->n_strange += seen->err == ERR_SPOOL_VERSION;
        v->n_unread += seen->err != ERR_SPOOL_VERSION;
        break;
    }
    add_finding(v, seen);
    return v->written == COMMAND_OK;
}

static void
add_summary(struct verify *v)
{
    const struct spool_summary *s = &v->summary;
    if (v->is_json) {
        text_addf(&v->out,
                  "],\n \"files\": %u, \"records\": %llu, \"damaged\": %llu, \"torn\": %llu, "
                  "\"unread\": %llu, \"other_version\": %llu, \"corrupt_files\": %u}\n",
                  s->n_files, (unsigned long long)v->n_records, (unsigned long long)v->n_damaged,
                  (unsigned long long)v->n_torn, (unsigned long long)v->n_unread,
                  (unsigned long long)v->n_strange, s->n_corrupt_files);
        return;
    }
    if (v->in->quiet)
        return;
    text_addf(&v->out, "%u file%s: %llu record%s sound, %llu damaged", s->n_files,
              s->n_files == 1 ? "" : "s", (unsigned long long)v->n_records,
              v->n_records == 1 ? "" : "s", (unsigned long long)v->n_damaged);
    if (v->n_unread > 0)
        text_addf(&v->out, ", %llu file%s unreadable", (unsigned long long)v->n_unread,
                  v->n_unread == 1 ? "" : "s");
    if (s->n_corrupt_files > 0)
        text_addf(&v->out, "; %u *.corrupt from earlier, not looked into", s->n_corrupt_files);
    text_add(&v->out, "\n");
    if (s->is_locked)
        text_add(&v->out, "a process has it open: what stands at the very end may still be being "
                          "written\n");
}

int
command_spool_verify(const struct command_input *in)
{
    struct verify v = {.in = in, .is_json = strcmp(in->format, "json") == 0, .is_first = true};
    if (v.is_json)
        text_add(&v.out, "{\"findings\": [");
    int result = command_spool_look(in, &v.summary, on_seen, &v);
    if (result != COMMAND_OK) {
        text_fini(&v.out);
        return result;
    }
    add_summary(&v);
    int written = command_write(&v.out);
    if (v.written != COMMAND_OK || written != COMMAND_OK)
        return COMMAND_IO;
    if (v.n_unread > 0)
        return COMMAND_IO;
    return v.has_damage ? COMMAND_FOUND : COMMAND_OK;
}
