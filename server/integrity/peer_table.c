/* Heads and texts apart, so that a comparison with all peers reads 24 bytes of each. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/peer_table.h"

#include "base/hash.h"
#include "base/mem.h"

enum { N_SETS = PEER_TABLE_MAX / PEER_TABLE_WAYS };

struct head {
    uint64_t hash; /* of service and peer; 0: free */
    uint32_t service;
    uint32_t count;  /* sightings */
    uint32_t second; /* of the last, Unix */
    uint8_t n;       /* bytes of the text */
    bool has_port;
};
_Static_assert(sizeof(struct head) + PEER_TEXT_BYTES <= 128, "a peer's share");

struct peers {
    struct head heads[N_SETS][PEER_TABLE_WAYS];
    uint8_t texts[N_SETS][PEER_TABLE_WAYS][PEER_TEXT_BYTES];
};

struct suspect {
    uint64_t hash, instance_hash;
    uint32_t second;
};

struct peer_table {
    struct peers *peers; /* NULL: none yet */
    struct suspect suspects[PEER_SUSPECTS];
    uint32_t n_suspects;
    uint32_t scan_second, n_scans;
};

struct peer_table *
peer_table_new(void)
{
    return mem_new(struct peer_table);
}

void
peer_table_clear(struct peer_table *table)
{
    mem_free(table->peers);
    *table = (struct peer_table){.peers = NULL};
}

void
peer_table_free(struct peer_table **table)
{
    if (*table == NULL)
        return;
    peer_table_clear(*table);
    mem_free(*table);
    *table = NULL;
}

static bool
is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* Ends in a colon and up to five digits. */
static bool
has_port(struct bytes peer)
{
    size_t n = peer.n;
    while (n > 0 && peer.n - n < 5 && is_digit(peer.p[n - 1]))
        n--;
    return n > 1 && n < peer.n && peer.p[n - 1] == ':';
}

static bool
has_blank(struct bytes peer)
{
    for (size_t i = 0; i < peer.n; i++)
        if (peer.p[i] <= ' ' || peer.p[i] == 0x7F)
            return true;
    return false;
}

/* What stands between the members of a list, or between an address and what is said of it. */
static bool
ends_name(uint8_t c)
{
    return c == '\t' || (c != 0 && strchr(" ,;:/|()[]{}<>@#?&=+", c) != NULL);
}

/* A name goes on with these. */
static bool
is_in_word(uint8_t c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* What the scan over a service's well-known peers shows of one seen for the first time. */
struct scan {
    struct bytes peer;
    bool is_longer_text;  /* a known one with its port stands at its front, then goes on */
    bool is_shorter_text; /* it stands at the front of a known one and is cut off in a word */
    bool is_as_long;      /* a shorter or longer known one has just its length */
    bool is_host;         /* it is the host of a known one: healthy */
};

/* Bytes stand right behind the known one's port. */
static bool
goes_on(struct bytes known, struct bytes peer)
{
    return bytes_starts(peer, known) && !is_digit(peer.p[known.n]) && !ends_name(peer.p[known.n]);
}

/* It ends in the middle of a word of the known one. */
static bool
is_cut(struct bytes known, struct bytes peer)
{
    return bytes_starts(known, peer) && is_in_word(known.p[peer.n]) &&
           is_in_word(peer.p[peer.n - 1]);
}

static void
look_at(struct scan *scan, const struct head *head, struct bytes known)
{
    struct bytes peer = scan->peer;
    if (known.n > peer.n && bytes_starts(known, peer) && known.p[peer.n] == ':')
        scan->is_host = true;
    if (head->count < PEER_ESTABLISHED || !head->has_port)
        return;
    if (known.n == peer.n)
        scan->is_as_long = true;
    else if (known.n < peer.n)
        scan->is_longer_text |= goes_on(known, peer);
    else
        scan->is_shorter_text |= is_cut(known, peer);
}

static bool
is_torn(const struct peers *peers, uint32_t service, struct bytes peer)
{
    struct scan scan = {.peer = peer};
    for (uint32_t i = 0; i < N_SETS; i++)
        for (uint32_t k = 0; k < PEER_TABLE_WAYS; k++) {
            const struct head *head = &peers->heads[i][k];
            if (head->hash != 0 && head->service == service)
                look_at(&scan, head, bytes_of(peers->texts[i][k], head->n));
        }
    if (!scan.is_as_long || scan.is_host)
        return false;
    return has_blank(peer) ? scan.is_longer_text : scan.is_shorter_text;
}

/* Of a set: a free one, else the one not seen longest; one that is well known and still in use
 * stays. NULL: no room. */
static uint32_t
place(const struct head *set, uint32_t second, uint32_t window_s)
{
    uint32_t at = PEER_TABLE_WAYS, oldest = 0;
    for (uint32_t i = 0; i < PEER_TABLE_WAYS; i++) {
        if (set[i].hash == 0)
            return i;
        uint32_t age = second - set[i].second;
        if ((set[i].count < PEER_ESTABLISHED || age > window_s) &&
            (at == PEER_TABLE_WAYS || age > oldest)) {
            at = i;
            oldest = age;
        }
    }
    return at;
}

/* Seen twice is no tear. */
static void
clear_suspect(struct peer_table *table, uint64_t hash)
{
    for (uint32_t i = 0; i < table->n_suspects; i++)
        if (table->suspects[i].hash == hash)
            table->suspects[i--] = table->suspects[--table->n_suspects];
}

static bool
may_scan(struct peer_table *table, uint32_t second)
{
    if (table->scan_second != second)
        table->n_scans = 0;
    table->scan_second = second;
    return table->n_scans++ < PEER_SCANS_PER_S && table->n_suspects < PEER_SUSPECTS;
}

static void
add_first(struct peer_table *table, const struct head *head, struct bytes peer, uint32_t at_set,
          uint32_t window_s)
{
    struct head *set = table->peers->heads[at_set];
    uint32_t way = place(set, head->second, window_s);
    if (way == PEER_TABLE_WAYS)
        return;
    set[way] = *head;
    memcpy(table->peers->texts[at_set][way], peer.p, peer.n);
}

void
peer_table_see(struct peer_table *table, uint64_t service_hash, uint64_t instance_hash,
               struct bytes peer, uint32_t second, uint32_t window_s)
{
    if (peer.n == 0 || peer.n > PEER_TEXT_BYTES)
        return;
    if (table->peers == NULL)
        table->peers = mem_new(struct peers);
    uint64_t hash = hash_bytes_seeded(peer, service_hash);
    hash = hash != 0 ? hash : 1;
    uint32_t at_set = (uint32_t)(hash % N_SETS);
    struct head *set = table->peers->heads[at_set];
    if (table->n_suspects > 0)
        clear_suspect(table, hash);
    for (uint32_t i = 0; i < PEER_TABLE_WAYS; i++)
        if (set[i].hash == hash) {
            set[i].count++;
            set[i].second = second;
            return;
        }
    struct head head = {hash, (uint32_t)service_hash, 1, second, (uint8_t)peer.n, has_port(peer)};
    if ((has_blank(peer) || !head.has_port) && may_scan(table, second) &&
        is_torn(table->peers, head.service, peer))
        table->suspects[table->n_suspects++] = (struct suspect){hash, instance_hash, second};
    add_first(table, &head, peer, at_set, window_s);
}

bool
peer_table_take_torn(struct peer_table *table, uint32_t second, uint32_t window_s,
                     uint64_t *instance_hash)
{
    for (uint32_t i = 0; i < table->n_suspects; i++) {
        uint32_t age = second - table->suspects[i].second;
        if (age <= window_s || age > UINT32_MAX / 2) /* or the clock was set back */
            continue;
        *instance_hash = table->suspects[i].instance_hash;
        table->suspects[i] = table->suspects[--table->n_suspects];
        return true;
    }
    return false;
}

uint64_t
peer_table_n_bytes(const struct peer_table *table)
{
    return sizeof(*table) + (table->peers == NULL ? 0 : sizeof(*table->peers));
}
