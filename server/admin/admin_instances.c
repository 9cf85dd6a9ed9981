/* Writes the registry of instances for GET /api/v1/instances. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/admin_instances.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { LIMIT_DEFAULT = 1000, LIMIT_MOST = 65536, LIMIT_WORST = 100 };

struct listing {
    struct text *out;
    const char *service, *instance; /* NULL: any */
    uint64_t n, limit;
    double least; /* badness; whoever has more is listed, and n_at_least of those that have it */
    uint64_t n_at_least;
    double *badness; /* of all, while the worst are looked for */
};

static void
add_name(struct text *out, const char *key, struct bytes value)
{
    text_addf(out, "\"%s\":", key);
    text_add_json(out, value);
    text_add(out, ",");
}

static void
add_number(struct text *out, const char *key, uint64_t value)
{
    text_addf(out, "\"%s\":%llu,", key, (unsigned long long)value);
}

/* Only rules that found something. */
static void
add_findings(struct text *out, const uint64_t *findings)
{
    const char *comma = "";
    text_add(out, "\"findings\":{");
    for (uint32_t i = 0; findings != NULL && i < RULE_COUNT; i++) {
        if (findings[i] == 0)
            continue;
        text_addf(out, "%s\"%s\":%llu", comma, rule_row((enum rule)i)->name,
                  (unsigned long long)findings[i]);
        comma = ",";
    }
    text_add(out, "},");
}

static void
add_diagnosis(struct text *out, const struct instance_info *info, enum diagnosis diagnosis)
{
    const struct diagnosis_row *row = diagnosis_row(diagnosis);
    const struct text *evidence = info->evidence != NULL ? info->evidence[diagnosis] : NULL;
    text_add(out, "{");
    add_name(out, "code", bytes_str(row->code));
    add_name(out, "name", bytes_str(row->name));
    add_name(out, "confidence", bytes_str(diagnosis_confidence_label(row->confidence)));
    add_name(out, "text", bytes_str(row->text));
    add_name(out, "next", bytes_str(row->next));
    add_name(out, "evidence", evidence != NULL ? text_bytes(evidence) : BYTES_NONE);
    text_add(out, "\"since\":");
    admin_add_time(out, info->since_ms != NULL ? info->since_ms[diagnosis] : 0);
    text_add(out, "}");
}

static void
add_diagnoses(struct text *out, const struct instance_info *info)
{
    const char *comma = "";
    text_add(out, "\"diagnoses\":[");
    for (uint32_t i = 0; i < DIAGNOSIS_COUNT; i++) {
        if ((info->diagnoses >> i & 1) == 0)
            continue;
        text_add(out, comma);
        add_diagnosis(out, info, (enum diagnosis)i);
        comma = ",";
    }
    text_add(out, "],");
}

static bool
is_wanted(const struct listing *listing, const struct instance_info *info)
{
    return (listing->service == NULL || bytes_equal(info->service, bytes_str(listing->service))) &&
           (listing->instance == NULL || bytes_equal(info->instance, bytes_str(listing->instance)));
}

/* A diagnosis outweighs any share, and a share any number of segments. */
static double
badness_of(const struct instance_info *info)
{
    double segments = (double)info->n_segments;
    double share = info->n_segments > 0 ? (double)info->n_bad / segments : 0;
    return (info->diagnoses != 0 ? 4.0 : 0.0) + share * 2 + segments / (segments + 1e12);
}

static void
add_counts(struct text *out, const struct instance_info *info)
{
    add_number(out, "connections", info->n_connections);
    add_number(out, "segments", info->n_segments);
    add_number(out, "spans", info->n_spans);
    add_number(out, "bad", info->n_bad);
    text_addf(out, "\"bad_ratio\":%.6g,",
              info->n_segments > 0 ? (double)info->n_bad / (double)info->n_segments : 0);
}

static void
add_instance(struct listing *listing, const struct instance_info *info)
{
    struct text *out = listing->out;
    text_add(out, listing->n++ > 0 ? ",\n{" : "\n{");
    add_name(out, "service", info->service);
    add_name(out, "service_instance", info->instance);
    add_name(out, "hostname", info->hostname);
    add_name(out, "language", bytes_str(agent_language_label(info->language)));
    add_counts(out, info);
    add_findings(out, info->findings);
    add_diagnoses(out, info);
    text_add(out, "\"first_seen\":");
    admin_add_time(out, info->first_seen_ms);
    text_add(out, ",\"last_seen\":");
    admin_add_time(out, info->last_seen_ms);
    text_add(out, "}");
}

static bool
add_newest(void *ctx, const struct instance_info *info)
{
    struct listing *listing = ctx;
    if (listing->n == listing->limit)
        return false;
    if (is_wanted(listing, info))
        add_instance(listing, info);
    return true;
}

static bool
add_worst(void *ctx, const struct instance_info *info)
{
    struct listing *listing = ctx;
    double badness = badness_of(info);
    if (!is_wanted(listing, info) || badness < listing->least)
        return true;
    if (badness > listing->least || listing->n_at_least > 0) {
        listing->n_at_least -= badness <= listing->least;
        add_instance(listing, info);
    }
    return true;
}

static bool
note_badness(void *ctx, const struct instance_info *info)
{
    struct listing *listing = ctx;
    if (is_wanted(listing, info))
        listing->badness[listing->n++] = badness_of(info);
    return true;
}

static int
by_badness(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left < right) - (left > right);
}

/* Finds where the worst end, then lists them. */
static void
list_worst(struct instances *instances, struct listing *listing)
{
    listing->badness = mem_new_n(double, instances_n(instances) + 1);
    instances_each(instances, note_badness, listing);
    qsort(listing->badness, listing->n, sizeof(double), by_badness);
    uint64_t n = listing->n < listing->limit ? listing->n : listing->limit;
    listing->least = n > 0 ? listing->badness[n - 1] : 0;
    for (uint64_t i = n; i > 0 && listing->badness[i - 1] <= listing->least; i--)
        listing->n_at_least++;
    mem_free(listing->badness);
    listing->n = 0;
    instances_each(instances, add_worst, listing);
}

static void
write_list(struct instances *instances, struct listing *listing, bool is_worst)
{
    text_addf(listing->out, "{\"total\":%u,\"instances\":[", instances_n(instances));
    if (is_worst)
        list_worst(instances, listing);
    else
        instances_each(instances, add_newest, listing);
    text_add(listing->out, "\n]}\n");
}

void
admin_instances_write(void *ctx, struct text *out)
{
    struct listing listing = {.out = out, .limit = LIMIT_WORST};
    write_list(ctx, &listing, true);
}

static void
answer_instances(void *ctx, struct http1_request *request, struct bytes element)
{
    (void)element;
    struct text out = TEXT_EMPTY;
    struct listing listing = {.out = &out,
                              .service = http1_query(request, "service"),
                              .instance = http1_query(request, "service_instance")};
    const char *sort = http1_query(request, "sort");
    if (!admin_query_number(request, "limit", 1, LIMIT_MOST, LIMIT_DEFAULT, &listing.limit))
        return;
    if (sort != NULL && strcmp(sort, "bad") != 0 && strcmp(sort, "seen") != 0) {
        admin_answer_error(request, 400, "sort is bad or seen");
        return;
    }
    write_list(ctx, &listing, sort != NULL && strcmp(sort, "bad") == 0);
    admin_answer_json(request, 200, &out);
    text_fini(&out);
}

struct admin_routes
admin_instances_routes(struct instances *instances)
{
    static const struct admin_route routes[] = {
        {"GET", "/api/v1/instances", answer_instances},
    };
    return (struct admin_routes){routes, sizeof(routes) / sizeof(routes[0]), instances};
}
