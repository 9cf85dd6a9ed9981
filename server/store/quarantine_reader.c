/* Reads what the quarantine's spool holds, newest first, in small steps, while it is written to. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Files can only be walked forwards. So each is gone through once, in steps, to note where every
 * 256 KiB of it begin; then these parts are read from the last to the first, and the records of
 * each told backwards. What was noted of a file is kept: it only ever grows at its end. */
#include "store/quarantine_reader.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "store/spool_int.h"

enum {
    PART_BYTES = 256 * 1024,
    STEP_BYTES = 1024 * 1024,
    FIRST_MARKS = 16,
    FIRST_FOUND = 256,
};

/* What is known of a file. */
struct part_index {
    STAILQ_ENTRY(part_index) link;
    uint64_t base;
    uint32_t suffix;
    struct spool_mark *marks; /* where parts begin, ascending */
    uint32_t n_marks, size;
    uint64_t end;    /* gone through up to here */
    uint64_t lowest; /* sequence of the record that may stand there */
};
STAILQ_HEAD(part_indexes, part_index);

struct quarantine_reader {
    const struct disk *disk;
    char *path;
    struct part_indexes indexes;
    uint32_t n_walks;
};

/* A record of the part that is told. */
struct found {
    uint64_t offset;
    size_t n_bytes;
};

struct quarantine_walk {
    struct quarantine_reader *reader;
    struct spool_map *map;
    struct quarantine_range range; /* before falls while it goes */
    quarantine_record_fn *fn;
    void *ctx;
    uint32_t n_files; /* that are left */
    bool is_over;
    struct found *found;
    uint32_t n_found, found_size;
};

struct quarantine_reader *
quarantine_reader_new(const struct disk *disk, const char *path)
{
    struct quarantine_reader *reader = mem_new(struct quarantine_reader);
    reader->disk = disk;
    reader->path = mem_string(path);
    STAILQ_INIT(&reader->indexes);
    return reader;
}

static void
free_index(struct quarantine_reader *reader, struct part_index *index)
{
    STAILQ_REMOVE(&reader->indexes, index, part_index, link);
    mem_free(index->marks);
    mem_free(index);
}

void
quarantine_reader_free(struct quarantine_reader **reader)
{
    if (*reader == NULL)
        return;
    check((*reader)->n_walks == 0);
    while (!STAILQ_EMPTY(&(*reader)->indexes))
        free_index(*reader, STAILQ_FIRST(&(*reader)->indexes));
    mem_free((*reader)->path);
    mem_free(*reader);
    *reader = NULL;
}

/* The index of a file. */

static bool
is_of(const struct part_index *index, const struct spool_map_file *f)
{
    return index->base == f->base && index->suffix == f->suffix;
}

static struct part_index *
index_of(struct quarantine_reader *reader, const struct spool_map_file *f)
{
    struct part_index *index;
    STAILQ_FOREACH(index, &reader->indexes, link)
    {
        if (is_of(index, f))
            break;
    }
    if (index == NULL) {
        index = mem_new(struct part_index);
        index->base = f->base;
        index->suffix = f->suffix;
        index->end = SPOOL_FILE_HEAD_BYTES;
        index->lowest = f->base;
        STAILQ_INSERT_HEAD(&reader->indexes, index, link);
    }
    return index;
}

/* Files that are gone need none. Only while nobody reads by an older map. */
static void
forget_gone(struct quarantine_reader *reader, const struct spool_map *map)
{
    struct part_index *index, *next;
    for (index = STAILQ_FIRST(&reader->indexes); index != NULL; index = next) {
        uint32_t i = 0;
        next = STAILQ_NEXT(index, link);
        while (i < map->n_files && !is_of(index, &map->files[i]))
            i++;
        if (i == map->n_files)
            free_index(reader, index);
    }
}

static void
add_mark(struct part_index *index, uint64_t sequence, uint64_t offset)
{
    if (index->n_marks > 0 && offset < index->marks[index->n_marks - 1].offset + PART_BYTES)
        return;
    if (index->n_marks == index->size) {
        index->size = index->size > 0 ? 2 * index->size : FIRST_MARKS;
        index->marks = mem_resize(index->marks, index->size * sizeof(*index->marks));
    }
    index->marks[index->n_marks++] = (struct spool_mark){sequence, offset};
}

static enum err
open_file(const struct quarantine_reader *reader, const struct spool_map_file *f, int *file)
{
    char path[SPOOL_PATH_BYTES], name[SPOOL_NAME_BYTES];
    size_t n_path = strlen(reader->path), n_name;
    spool_name_fill(f->base, f->suffix, name);
    n_name = strlen(name);
    if (n_path + n_name + 2 > sizeof(path))
        return ERR_NOT_FOUND;
    memcpy(path, reader->path, n_path);
    path[n_path] = '/';
    memcpy(path + n_path + 1, name, n_name + 1);
    return reader->disk->open(reader->disk->ctx, path, DISK_LOOK, file);
}

/* Goes on with the index for about STEP_BYTES; false: the file cannot be read. */
static bool
index_more(const struct quarantine_reader *reader, const struct spool_map_file *f,
           struct part_index *index)
{
    struct spool_scan scan;
    int file = SPOOL_NO_FILE;
    uint64_t from = index->end;
    enum spool_scan_kind kind;
    bool is_over = false;
    if (open_file(reader, f, &file) != ERR_OK)
        return false;
    spool_scan_init(&scan, reader->disk, file, f->seed, f->end, from, index->lowest);
    while (scan.at - from < STEP_BYTES - PART_BYTES) {
        kind = spool_scan_next(&scan);
        bool is_record = kind == SPOOL_SCAN_RECORD && scan.head.sequence - f->base < f->n;
        is_over = !is_record && kind != SPOOL_SCAN_GAP;
        if (is_over)
            break;
        if (is_record)
            add_mark(index, scan.head.sequence, scan.offset);
        index->end = scan.at; /* a gap may be wider than a step */
        index->lowest = scan.lowest;
    }
    bool is_readable = scan.err == ERR_OK;
    if (is_readable && is_over)
        index->end = f->end; /* nothing of this map follows */
    spool_scan_fini(&scan);
    reader->disk->close(reader->disk->ctx, file);
    return is_readable;
}

/* The records of a part. */

static void
note_found(struct quarantine_walk *walk, const struct spool_map_file *f,
           const struct spool_scan *scan)
{
    uint64_t sequence = scan->head.sequence;
    if (sequence < walk->range.from || sequence >= walk->range.before ||
        sequence - f->base >= f->n || !spool_map_holds(f, sequence))
        return;
    if (walk->n_found == walk->found_size) {
        walk->found_size = walk->found_size > 0 ? 2 * walk->found_size : FIRST_FOUND;
        walk->found = mem_resize(walk->found, walk->found_size * sizeof(*walk->found));
    }
    walk->found[walk->n_found++] = (struct found){scan->offset, scan->at - scan->offset};
}

/* The bytes of a record: in the scan's window, else read into *own. NULL: not readable. */
static const uint8_t *
bytes_at(const struct spool_scan *scan, const struct found *found, uint8_t **own)
{
    size_t n_read = 0;
    uint64_t end = found->offset + found->n_bytes;
    if (found->offset >= scan->buffer_offset && end <= scan->buffer_offset + scan->buffer_used)
        return scan->buffer + (found->offset - scan->buffer_offset);
    *own = mem_alloc(found->n_bytes);
    enum err err =
        scan->disk->read(scan->disk->ctx, scan->file, *own, found->n_bytes, found->offset, &n_read);
    return err == ERR_OK && n_read == found->n_bytes ? *own : NULL;
}

/* False: no more is wanted. */
static bool
tell(struct quarantine_walk *walk, const struct spool_scan *scan, const struct found *found)
{
    uint8_t *own = NULL;
    struct spool_record_head head;
    bool is_wanted = true;
    const uint8_t *p = bytes_at(scan, found, &own);
    if (p != NULL && spool_record_look(p, found->n_bytes, scan->seed, &head) == ERR_OK &&
        spool_record_is_whole(p, scan->seed)) {
        struct quarantine_record record = {
            .sequence = head.sequence,
            .received_ms = head.received_ms,
            .method = head.method,
            .flags = head.flags,
            .rule = spool_record_key(p),
            .payload = spool_record_payload(p),
        };
        is_wanted = walk->fn(walk->ctx, &record);
    }
    mem_free(own);
    return is_wanted;
}

static void
tell_part(struct quarantine_walk *walk, const struct spool_map_file *f, struct spool_mark begin,
          uint64_t end)
{
    struct spool_scan scan;
    enum spool_scan_kind kind;
    int file = SPOOL_NO_FILE;
    walk->n_found = 0;
    if (open_file(walk->reader, f, &file) != ERR_OK)
        return;
    spool_scan_init(&scan, walk->reader->disk, file, f->seed, end, begin.offset, begin.sequence);
    while ((kind = spool_scan_next(&scan)) == SPOOL_SCAN_RECORD || kind == SPOOL_SCAN_GAP)
        if (kind == SPOOL_SCAN_RECORD)
            note_found(walk, f, &scan);
    while (walk->n_found > 0 && !walk->is_over)
        walk->is_over = !tell(walk, &scan, &walk->found[--walk->n_found]);
    spool_scan_fini(&scan);
    walk->reader->disk->close(walk->reader->disk->ctx, file);
}

/* The walk. */

struct quarantine_walk *
quarantine_walk_new(struct quarantine_reader *reader, struct spool_map **map,
                    struct quarantine_range range, quarantine_record_fn *fn, void *ctx)
{
    struct quarantine_walk *walk = mem_new(struct quarantine_walk);
    walk->reader = reader;
    walk->map = *map;
    walk->fn = fn;
    walk->ctx = ctx;
    *map = NULL;
    if (reader->n_walks++ == 0)
        forget_gone(reader, walk->map);
    quarantine_walk_again(walk, range);
    return walk;
}

void
quarantine_walk_again(struct quarantine_walk *walk, struct quarantine_range range)
{
    walk->range = range;
    walk->n_files = walk->map->n_files;
    walk->is_over = false;
}

const struct spool_map *
quarantine_walk_map(const struct quarantine_walk *walk)
{
    return walk->map;
}

void
quarantine_walk_free(struct quarantine_walk **walk)
{
    if (*walk == NULL)
        return;
    (*walk)->reader->n_walks--;
    spool_map_free(&(*walk)->map);
    mem_free((*walk)->found);
    mem_free(*walk);
    *walk = NULL;
}

static bool
is_passed_over(const struct quarantine_walk *walk, const struct spool_map_file *f)
{
    return f->base >= walk->range.before ||
           (f->newest_ms != INT64_MIN && f->newest_ms < walk->range.since_ms);
}

static bool
holds_any(const struct spool_map_file *f, uint64_t from, uint64_t before)
{
    uint64_t end = f->base + f->n;
    for (uint64_t q = from > f->base ? from : f->base; q < before && q < end; q++)
        if (spool_map_holds(f, q))
            return true;
    return false;
}

/* The last part in which something older than range.before may stand; false: there is none. The
 * index may know more of the file than this map, or what a failed write took back. */
static bool
step_file(struct quarantine_walk *walk, const struct spool_map_file *f,
          const struct part_index *index)
{
    uint32_t i = index->n_marks;
    if (walk->range.before > f->base + f->n)
        walk->range.before = f->base + f->n;
    while (i > 0 && (index->marks[i - 1].sequence >= walk->range.before ||
                     index->marks[i - 1].offset >= f->end))
        i--;
    if (i == 0)
        return false;
    struct spool_mark begin = index->marks[i - 1];
    uint64_t end = i < index->n_marks ? index->marks[i].offset : f->end;
    end = end < f->end ? end : f->end;
    uint64_t from = begin.sequence > walk->range.from ? begin.sequence : walk->range.from;
    if (holds_any(f, from, walk->range.before))
        tell_part(walk, f, begin, end);
    walk->range.before = begin.sequence;
    return walk->range.before > walk->range.from;
}

bool
quarantine_walk_step(struct quarantine_walk *walk)
{
    while (walk->n_files > 0 && is_passed_over(walk, &walk->map->files[walk->n_files - 1]))
        walk->n_files--;
    if (walk->is_over || walk->n_files == 0)
        return false;
    const struct spool_map_file *f = &walk->map->files[walk->n_files - 1];
    if (f->base + f->n <= walk->range.from)
        return false;
    struct part_index *index = index_of(walk->reader, f);
    if (index->end < f->end) {
        if (!index_more(walk->reader, f, index))
            walk->n_files--;
    } else if (!step_file(walk, f, index)) {
        walk->n_files--;
    }
    return !walk->is_over && walk->n_files > 0;
}
