/* What was taken is remembered: segment ids, what each instance did, whose messages a stream has.
 */
/* SPDX-License-Identifier: Apache-2.0 */
/* Source: integrity.md 2, 2.1. One look-up per segment finds its instance (integrity_know did it
 * while judging); nothing is allocated per message but the hand-over, which doubles. */
#include "base/check.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "integrity/integrity_int.h"
#include "integrity/sighting_int.h"
#include "message/message.h"

enum {
    STREAM_ESTABLISHED = 50, /* segments of one identity */
    /* "Never again" cannot be known: an odd segment counts when as many own ones as make a stream
     * established have come after it and nobody else's. Later ones of the same identity make the
     * stream an aggregator's, whose flips are lawful. */
    FLIP_SILENCE = 50,
    STREAM_IDENTITIES = 4,
};
enum { NO_SIGHTING = UINT32_MAX };

/* Where a message says whose it is: field numbers of proto/. */
struct name_fields {
    uint8_t service, instance;
    bool is_carried; /* later messages of a stream leave the names out */
};

static struct name_fields
name_fields_of(enum message_type type)
{
    static const struct name_fields fields[MESSAGE_COUNT] = {
        [MESSAGE_InstanceProperties] = {1, 2, false},
        [MESSAGE_InstancePingPkg] = {1, 2, false},
        [MESSAGE_JVMMetricCollection] = {2, 3, false},
        [MESSAGE_CLRMetricCollection] = {2, 3, false},
        [MESSAGE_MeterData] = {3, 4, true},
        [MESSAGE_LogData] = {2, 3, true},
        [MESSAGE_BrowserPerfData] = {1, 2, false},
        [MESSAGE_BrowserWebVitalsPerfData] = {1, 2, false},
        [MESSAGE_BrowserResourcePerfData] = {1, 2, false},
        [MESSAGE_BrowserWebInteractionsPerfData] = {1, 2, false},
        [MESSAGE_BrowserErrorLog] = {2, 3, false},
    };
    return fields[type];
}

/* The index of the entry's sighting in this hand-over; NO_SIGHTING: it is full. */
static uint32_t
sighting_of(struct integrity *integrity, struct instance_entry *entry)
{
    if (integrity->sightings == NULL)
        integrity->sightings = sightings_new();
    if (entry->batch == integrity->batch)
        return entry->sighting;
    if (sightings_add(integrity->sightings, entry->hash) == NULL)
        return NO_SIGHTING;
    entry->batch = integrity->batch;
    entry->sighting = (uint16_t)(sightings_n(integrity->sightings) - 1);
    return entry->sighting;
}

/* As sighting_of; the names are copied once. */
static uint32_t
named_sighting_of(struct integrity *integrity, struct instance_entry *entry, struct bytes service,
                  struct bytes instance)
{
    uint32_t at = sighting_of(integrity, entry);
    if (at != NO_SIGHTING && !sightings_at(integrity->sightings, at)->is_named)
        sightings_name(integrity->sightings, at, service, instance);
    return at;
}

/* Of an instance known by its hash alone; NO_SIGHTING where it is not known here. */
static uint32_t
sighting_of_hash(struct integrity *integrity, uint64_t hash)
{
    struct instance_entry *entry =
        hash == 0 ? NULL : instance_table_find(integrity->instances, hash);
    return entry == NULL ? NO_SIGHTING : sighting_of(integrity, entry);
}

static struct bytes
trace_of(const struct segment_view *view)
{
    return utf8_is_valid(view->trace_id) ? view->trace_id : BYTES_NONE;
}

/* Adds a judgement's findings; true when one of them makes a segment bad. */
static bool
add_findings(struct integrity *integrity, uint32_t at, const struct judgement *judgement)
{
    bool is_bad = false;
    for (uint64_t rest = judgement->rules; rest != 0; rest &= rest - 1) {
        enum rule rule = (enum rule)__builtin_ctzll(rest);
        bool is_hint = (judgement->hints >> rule & 1) != 0;
        enum rule_class found = integrity_found_class(judgement, rule, judgement->agent);
        is_bad |= found == CLASS_PROOF || found == CLASS_STRONG || found == CLASS_POISON;
        sightings_find(integrity->sightings, at, rule, judgement->n_counts[rule], is_hint);
        if (!is_hint && judgement->segment != NULL)
            sightings_exemplify(integrity->sightings, rule, trace_of(judgement->segment));
    }
    return is_bad;
}

/* A finding that no judgement holds. */
static void
tell(struct integrity *integrity, enum rule rule, uint32_t at)
{
    integrity_note(integrity, rule);
    if (at != NO_SIGHTING)
        sightings_find(integrity->sightings, at, rule, 1, false);
}

/* Whose it is cannot be read, or is not said: then it is its stream's. */
static void
accept_nameless(struct integrity *integrity, const struct integrity_stream *stream, bool is_segment,
                const struct judgement *judgement)
{
    uint32_t at = stream == NULL || stream->n_identities == 0
                      ? NO_SIGHTING
                      : sighting_of_hash(integrity, stream->identities[0]);
    if (at == NO_SIGHTING)
        return;
    bool is_bad = add_findings(integrity, at, judgement);
    struct sighting *sighting = sightings_change(integrity->sightings, at);
    sighting->n_others++;
    sighting->n_bad += is_segment && is_bad;
}

static void
own(struct integrity_stream *stream, uint64_t hash, uint64_t service_hash)
{
    stream->identities[0] = hash;
    stream->service_hash = service_hash;
    stream->n_identities = 1;
}

/* A segment of somebody else in this stream. */
static void
follow_other(struct integrity_stream *stream, uint64_t hash)
{
    if (stream->is_mixed)
        return;
    for (uint32_t i = 1; i < stream->n_identities; i++)
        if (stream->identities[i] == hash) {
            stream->n_segments[i]++;
            stream->is_mixed = true;
            return;
        }
    if (stream->has_odd || stream->n_identities == STREAM_IDENTITIES) {
        stream->is_mixed = true;
        return;
    }
    stream->identities[stream->n_identities] = hash;
    stream->n_segments[stream->n_identities++] = 1;
    stream->has_odd = stream->n_segments[0] >= STREAM_ESTABLISHED;
    stream->n_since = 0;
}

/* True when enough own segments have come since an odd one: it was a flip. */
static bool
follow(struct integrity_stream *stream, uint64_t hash, uint64_t service_hash)
{
    if (stream->n_identities == 0)
        own(stream, hash, service_hash);
    if (stream->identities[0] != hash) {
        follow_other(stream, hash);
        return false;
    }
    stream->n_segments[0]++;
    if (!stream->has_odd || stream->is_mixed || ++stream->n_since < FLIP_SILENCE)
        return false;
    stream->has_odd = false;
    return true;
}

static bool
is_foreign(const struct integrity_stream *stream, uint64_t service_hash)
{
    return stream != NULL && !stream->is_mixed && stream->n_segments[0] >= STREAM_ESTABLISHED &&
           stream->service_hash != service_hash;
}

static void
remember_id(struct integrity *integrity, struct bytes message, const struct judgement *judgement)
{
    bool is_forwarded = judgement->verdict < VERDICT_QUARANTINED;
    uint16_t owner = duplicate_owner(integrity->instance_hash);
    duplicate_table_put(integrity->duplicates,
                        &(struct duplicate_entry){
                            .id_hash = judgement->id_hash,
                            .content_hash = judgement->content_hash != 0
                                                ? judgement->content_hash
                                                : integrity_content_hash(message),
                            .second = integrity->arrival_s,
                            .owner = (uint16_t)(owner | (is_forwarded ? 0 : OWNER_SET_ASIDE)),
                            .spans = integrity_sum_spans(judgement->segment),
                        });
}

static void
see_peers(struct integrity *integrity, const struct segment_view *view)
{
    uint32_t window_s = integrity->settings.window_s;
    for (uint32_t i = 0; i < view->n_spans; i++)
        if (view->spans[i].type == SPAN_EXIT && view->spans[i].peer.n > 0)
            peer_table_see(integrity->peers, integrity->service_hash, integrity->instance_hash,
                           view->spans[i].peer, integrity->arrival_s, window_s);
    uint64_t torn_at;
    while (peer_table_take_torn(integrity->peers, integrity->arrival_s, window_s, &torn_at))
        tell(integrity, RULE_tear_suspect, sighting_of_hash(integrity, torn_at));
}

static bool
is_orphan_root(const struct segment_view *view)
{
    return view->n_spans == 1 && view->spans[0].type == SPAN_EXIT && view->spans[0].n_refs == 0 &&
           view->spans[0].parent_id == -1;
}

static void
count_segment(struct integrity *integrity, uint32_t at, const struct integrity_stream *stream,
              const struct judgement *judgement)
{
    const struct segment_view *view = judgement->segment;
    bool is_bad = judgement->rules != 0 && add_findings(integrity, at, judgement);
    struct sighting *sighting = sightings_change(integrity->sightings, at);
    if (sighting->n_segments++ == 0)
        sighting->is_in_foreign_stream = is_foreign(stream, integrity->service_hash);
    sighting->n_spans += view->n_spans;
    sighting->n_bad += is_bad;
    sighting->n_orphan_roots += is_orphan_root(view);
    sighting->n_supersets += judgement->is_superset;
    sighting->is_go |= judgement->agent == AGENT_IS_GO;
}

/* What is told by a segment that is no finding of its own. */
static void
remember_stream(struct integrity *integrity, struct integrity_stream *stream, uint32_t at,
                const struct judgement *judgement)
{
    bool is_on = integrity->settings.window_s > 0 && integrity->mode != INTEGRITY_OFF;
    bool is_flip =
        stream != NULL && follow(stream, integrity->instance_hash, integrity->service_hash);
    if (is_flip && is_on)
        tell(integrity, RULE_identity_flip, at);
    if (is_on && judgement->agent == AGENT_IS_GO)
        see_peers(integrity, judgement->segment);
}

static void
accept_segment(struct integrity *integrity, struct integrity_stream *stream, struct bytes message,
               const struct judgement *judgement)
{
    const struct segment_view *view = judgement->segment;
    if (view == NULL || (view->facts & FACT_INVALID_UTF8_IDENTITY) != 0) {
        accept_nameless(integrity, stream, true, judgement);
        return;
    }
    integrity_know(integrity);
    struct instance_entry *known = integrity->known;
    if (known == NULL || known->hash != integrity->instance_hash)
        known = instance_table_put(integrity->instances, integrity->instance_hash);
    known->is_hearsay = false;
    if (judgement->id_hash != 0)
        remember_id(integrity, message, judgement);
    uint32_t at = named_sighting_of(integrity, known, view->service, view->instance);
    if (at != NO_SIGHTING)
        count_segment(integrity, at, stream, judgement);
    remember_stream(integrity, stream, at, judgement);
}

/* A full hand-over keeps the first: the room that is left is for names. */
static void
keep_changed(struct integrity *integrity, struct bytes *kept, struct bytes value)
{
    if (value.n > 0 && !bytes_equal(*kept, value) &&
        (kept->n == 0 || !integrity_is_full(integrity)))
        *kept = sightings_keep(integrity->sightings, value);
}

static void
count_properties(struct integrity *integrity, struct sighting *sighting, struct bytes message)
{
    struct instance_properties properties;
    integrity_read_properties(message, &properties);
    sighting->n_properties++;
    if (properties.language.n > 0)
        sighting->language = agent_language_of(properties.language);
    keep_changed(integrity, &sighting->hostname, properties.hostname);
    keep_changed(integrity, &sighting->ipv4, properties.ipv4);
}

static void
accept_other(struct integrity *integrity, struct integrity_stream *stream, enum message_type type,
             struct bytes message, const struct judgement *judgement)
{
    struct name_fields fields = name_fields_of(type);
    bool is_readable = (judgement->rules & RULE_BIT(proto_undecodable)) == 0;
    struct bytes service = BYTES_NONE, instance = BYTES_NONE;
    if (is_readable && fields.service != 0) {
        service = message_string_field(message, fields.service);
        instance = message_string_field(message, fields.instance);
    }
    if (!is_readable || fields.service == 0 || (fields.is_carried && service.n == 0)) {
        accept_nameless(integrity, stream, false, judgement);
        return;
    }
    uint64_t service_hash, hash = sighting_hash_parts(service, instance, &service_hash);
    struct instance_entry *entry = instance_table_put(integrity->instances, hash);
    if (stream != NULL && stream->n_identities == 0)
        own(stream, hash, service_hash);
    uint32_t at = named_sighting_of(integrity, entry, service, instance);
    if (at == NO_SIGHTING)
        return;
    add_findings(integrity, at, judgement);
    struct sighting *sighting = sightings_change(integrity->sightings, at);
    sighting->n_others++;
    sighting->n_keepalives += type == MESSAGE_InstancePingPkg;
    if (type == MESSAGE_InstanceProperties)
        count_properties(integrity, sighting, message);
}

void
integrity_accept(struct integrity *integrity, struct integrity_stream *stream,
                 enum message_type type, struct bytes message, const struct judgement *judgement)
{
    CHECK_OBJ(integrity, INTEGRITY_MAGIC);
    if (type == MESSAGE_SegmentObject)
        accept_segment(integrity, stream, message, judgement);
    else
        accept_other(integrity, stream, type, message, judgement);
}

uint64_t
integrity_stream_instance(const struct integrity_stream *stream)
{
    return stream->identities[0];
}

void
integrity_note_instance(struct integrity *integrity, uint64_t instance, enum instance_fact fact)
{
    CHECK_OBJ(integrity, INTEGRITY_MAGIC);
    uint32_t at = sighting_of_hash(integrity, instance);
    if (at == NO_SIGHTING)
        return;
    struct sighting *sighting = sightings_change(integrity->sightings, at);
    switch (fact) {
    case INSTANCE_CONNECTED:
        if (sighting->n_connected++ == 0)
            sighting->connected_ms = clock_unix_ms();
        break;
    case INSTANCE_DISCONNECTED:
        sighting->n_disconnected++;
        sighting->disconnected_ms = clock_unix_ms();
        break;
    case INSTANCE_ENDED_ABRUPTLY:
        sighting->n_abrupt++;
        break;
    case INSTANCE_RESET_ITSELF:
        sighting->n_self_resets++;
        break;
    }
}

struct sightings *
integrity_take_sightings(struct integrity *integrity)
{
    CHECK_OBJ(integrity, INTEGRITY_MAGIC);
    struct sightings *sightings = integrity->sightings;
    if (sightings == NULL)
        return NULL;
    integrity->sightings = NULL;
    integrity->batch = integrity->batch == UINT32_MAX ? 1 : integrity->batch + 1;
    if (sightings_n(sightings) == 0)
        sightings_free(&sightings);
    return sightings;
}

bool
integrity_is_full(const struct integrity *integrity)
{
    return integrity->sightings != NULL &&
           (sightings_n(integrity->sightings) >= SIGHTINGS_MAX ||
            sightings_n_bytes(integrity->sightings) >= integrity->max_sighting_bytes);
}

void
integrity_learn_language(struct integrity *integrity, uint64_t instance,
                         enum agent_language language)
{
    CHECK_OBJ(integrity, INTEGRITY_MAGIC);
    if (instance != 0)
        instance_table_hear(integrity->instances, instance, language);
}
