/* Heads, footers, cursor slots and file names of a spool, to bytes and back. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Looking is for bytes of unknown origin: no check() depends on them, nothing is read beyond n. */
#include "store/spool_format.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/check.h"
#include "base/hash.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "structs are copied as they stand");

enum { NAME_DIGITS = 16, CURSOR_HEAD_BYTES = 40, SUM_BYTES = 8 };

/* A slot begins with it; runs and a checksum of all before it follow. */
struct cursor_head {
    uint64_t magic, epoch, lowest, next;
    uint32_t n_runs, reserved;
};
_Static_assert(sizeof(struct cursor_head) == CURSOR_HEAD_BYTES, "as on disk");
_Static_assert(CURSOR_HEAD_BYTES + SPOOL_CURSOR_MAX_RUNS * sizeof(struct spool_run) + SUM_BYTES <=
                   SPOOL_CURSOR_SLOT_BYTES,
               "all runs fit one slot");

uint64_t
spool_seed(const uint8_t uuid[SPOOL_UUID_BYTES])
{
    return hash_bytes_seeded(bytes_of(uuid, SPOOL_UUID_BYTES), 0);
}

size_t
spool_record_bytes(uint32_t key_bytes, size_t payload_bytes)
{
    size_t n = SPOOL_RECORD_HEAD_BYTES + (size_t)key_bytes + payload_bytes;
    return (n + SPOOL_ALIGN - 1) / SPOOL_ALIGN * SPOOL_ALIGN;
}

void
spool_record_fill(struct spool_record_head *head, uint64_t seed)
{
    size_t n = (size_t)head->key_bytes + head->payload_bytes;
    uint8_t *data = (uint8_t *)(head + 1);
    head->magic = SPOOL_RECORD_MAGIC;
    head->data_sum = hash_bytes_seeded(bytes_of(data, n), seed);
    memset(data + n, 0,
           spool_record_bytes(head->key_bytes, head->payload_bytes) - SPOOL_RECORD_HEAD_BYTES - n);
}

static uint64_t
head_sum(const struct spool_record_head *head, uint64_t seed)
{
    return hash_bytes_seeded(bytes_of(head, offsetof(struct spool_record_head, head_sum)), seed);
}

void
spool_record_stamp(struct spool_record_head *head, uint64_t seed, uint64_t sequence)
{
    head->sequence = sequence;
    head->head_sum = head_sum(head, seed);
}

static bool
is_footer_sane(const struct spool_record_head *head)
{
    if ((head->flags & SPOOL_FLAG_FOOTER) == 0)
        return true;
    return head->method == 0 && head->key_bytes == 0 && head->payload_bytes == 0;
}

enum err
spool_record_look(const uint8_t *p, size_t n, uint64_t seed, struct spool_record_head *out)
{
    if (n < SPOOL_RECORD_HEAD_BYTES)
        return ERR_SPOOL_HEAD;
    memcpy(out, p, sizeof(*out));
    if (out->magic != SPOOL_RECORD_MAGIC || out->head_sum != head_sum(out, seed))
        return ERR_SPOOL_HEAD;
    /* Slices count bytes in 32 bits, so we never wrote a longer one. */
    uint64_t n_record = spool_record_bytes(out->key_bytes, out->payload_bytes);
    if (n_record > UINT32_MAX || !is_footer_sane(out))
        return ERR_SPOOL_HEAD;
    return n_record > n ? ERR_SPOOL_SHORT : ERR_OK;
}

bool
spool_record_is_whole(const uint8_t *p, uint64_t seed)
{
    struct spool_record_head head;
    memcpy(&head, p, sizeof(head));
    struct bytes data =
        bytes_of(p + SPOOL_RECORD_HEAD_BYTES, (size_t)head.key_bytes + head.payload_bytes);
    return head.data_sum == hash_bytes_seeded(data, seed);
}

struct bytes
spool_record_key(const uint8_t *p)
{
    struct spool_record_head head;
    memcpy(&head, p, sizeof(head));
    return bytes_of(p + SPOOL_RECORD_HEAD_BYTES, head.key_bytes);
}

struct bytes
spool_record_payload(const uint8_t *p)
{
    struct spool_record_head head;
    memcpy(&head, p, sizeof(head));
    return bytes_of(p + SPOOL_RECORD_HEAD_BYTES + head.key_bytes, head.payload_bytes);
}

static uint64_t
file_sum(const struct spool_file_head *head)
{
    return hash_bytes_seeded(bytes_of(head, offsetof(struct spool_file_head, sum)), 0);
}

void
spool_file_head_fill(struct spool_file_head *head, const uint8_t uuid[SPOOL_UUID_BYTES],
                     uint64_t base, int64_t created_ms)
{
    *head = (struct spool_file_head){
        .magic = SPOOL_FILE_MAGIC,
        .version = SPOOL_VERSION,
        .base = base,
        .created_ms = created_ms,
    };
    memcpy(head->uuid, uuid, SPOOL_UUID_BYTES);
    head->sum = file_sum(head);
}

/* Every version keeps magic, version, flags and the sum where they are: else a damaged version
 * number would look like a newer format. */
enum err
spool_file_head_look(const uint8_t p[SPOOL_FILE_HEAD_BYTES], struct spool_file_head *out)
{
    memcpy(out, p, sizeof(*out));
    if (out->magic != SPOOL_FILE_MAGIC || out->sum != file_sum(out))
        return ERR_SPOOL_HEAD;
    return out->version == SPOOL_VERSION && out->flags == 0 ? ERR_OK : ERR_SPOOL_VERSION;
}

size_t
spool_cursor_fill(const struct spool_cursor *cursor, uint64_t seed, uint8_t *slot)
{
    check(cursor->n_runs <= SPOOL_CURSOR_MAX_RUNS);
    struct cursor_head head = {
        .magic = SPOOL_CURSOR_MAGIC,
        .epoch = cursor->epoch,
        .lowest = cursor->lowest,
        .next = cursor->next,
        .n_runs = cursor->n_runs,
    };
    size_t n_runs_bytes = cursor->n_runs * sizeof(cursor->runs[0]);
    size_t n = CURSOR_HEAD_BYTES + n_runs_bytes;
    memcpy(slot, &head, sizeof(head));
    memcpy(slot + CURSOR_HEAD_BYTES, cursor->runs, n_runs_bytes);
    uint64_t sum = hash_bytes_seeded(bytes_of(slot, n), seed);
    memcpy(slot + n, &sum, sizeof(sum));
    memset(slot + n + SUM_BYTES, 0, SPOOL_CURSOR_SLOT_BYTES - n - SUM_BYTES);
    return n + SUM_BYTES;
}

/* Ascending, apart, nothing below lowest and nothing beyond the last number. */
static bool
are_runs_sane(const struct spool_cursor *cursor)
{
    uint64_t end = cursor->lowest;
    if (cursor->lowest >= SPOOL_SEQUENCE_END || cursor->next >= SPOOL_SEQUENCE_END)
        return false;
    for (uint32_t i = 0; i < cursor->n_runs; i++) {
        const struct spool_run *run = &cursor->runs[i];
        if (run->n == 0 || run->first < end || run->n > UINT64_MAX - run->first)
            return false;
        end = run->first + run->n;
    }
    return end < SPOOL_SEQUENCE_END;
}

enum err
spool_cursor_look(const uint8_t *slot, uint64_t seed, struct spool_cursor *out)
{
    struct cursor_head head;
    memcpy(&head, slot, sizeof(head));
    if (head.magic != SPOOL_CURSOR_MAGIC || head.n_runs > SPOOL_CURSOR_MAX_RUNS)
        return ERR_SPOOL_HEAD;
    size_t n_runs_bytes = head.n_runs * sizeof(out->runs[0]), n = CURSOR_HEAD_BYTES + n_runs_bytes;
    uint64_t sum;
    memcpy(&sum, slot + n, sizeof(sum));
    if (sum != hash_bytes_seeded(bytes_of(slot, n), seed))
        return ERR_SPOOL_HEAD;
    out->epoch = head.epoch;
    out->lowest = head.lowest;
    out->next = head.next;
    out->n_runs = head.n_runs;
    memcpy(out->runs, slot + CURSOR_HEAD_BYTES, n_runs_bytes);
    return are_runs_sane(out) ? ERR_OK : ERR_SPOOL_HEAD;
}

/* 16 digits as spool_name_fill writes them: lower case. */
static bool
look_base(const char *name, uint64_t *base)
{
    *base = 0;
    for (int i = 0; i < NAME_DIGITS; i++) {
        char c = name[i];
        bool is_digit = c >= '0' && c <= '9', is_letter = c >= 'a' && c <= 'f';
        if (!is_digit && !is_letter)
            return false;
        *base = *base << 4 | (uint64_t)(is_digit ? c - '0' : c - 'a' + 10);
    }
    return true;
}

/* A decimal number from 1 on, without leading zeros. */
static bool
look_suffix(const char *digits, uint32_t *suffix)
{
    uint64_t value = 0;
    if (*digits == '0' || *digits == '\0')
        return false;
    for (; *digits != '\0'; digits++) {
        if (*digits < '0' || *digits > '9')
            return false;
        value = value * 10 + (uint64_t)(*digits - '0');
        if (value > UINT32_MAX)
            return false;
    }
    *suffix = (uint32_t)value;
    return true;
}

bool
spool_name_look(const char *name, uint64_t *base, uint32_t *suffix)
{
    *suffix = 0;
    if (!look_base(name, base))
        return false;
    if (name[NAME_DIGITS] == '\0')
        return true;
    return name[NAME_DIGITS] == '-' && look_suffix(name + NAME_DIGITS + 1, suffix);
}

bool
spool_name_is_corrupt(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot != NULL && strcmp(dot, SPOOL_CORRUPT_SUFFIX) == 0;
}

void
spool_name_fill(uint64_t base, uint32_t suffix, char out[SPOOL_NAME_BYTES])
{
    if (suffix == 0)
        (void)snprintf(out, SPOOL_NAME_BYTES, "%016" PRIx64, base);
    else
        (void)snprintf(out, SPOOL_NAME_BYTES, "%016" PRIx64 "-%" PRIu32, base, suffix);
}
