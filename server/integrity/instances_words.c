/* The evidence of a diagnosis in words: how many, of what, since when. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/instances_int.h"

enum { MAX_HOSTNAME = 64, MINUTE_MS = 60 * 1000 };

static void
add_minutes(struct text *out, int64_t ms)
{
    int64_t minutes = (ms + MINUTE_MS - 1) / MINUTE_MS;
    if (minutes <= 1)
        text_add(out, " within a minute");
    else
        text_addf(out, " within %lld minutes", (long long)minutes);
}

/* How far back the evidence reaches. */
static int64_t
reach_ms(const struct instances *instances, const struct instance *instance)
{
    int64_t start_ms = ((int64_t)instances->half - 1) * EVIDENCE_HALF_MS;
    if (start_ms < instance->first_seen_ms)
        start_ms = instance->first_seen_ms;
    return instances->time_ms - start_ms;
}

/* "span-id-duplicate 4, tag-blank 2" */
static bool
add_counts(struct text *out, const struct instance *instance, uint64_t rules)
{
    size_t before = out->n;
    for (uint64_t rest = rules; rest != 0; rest &= rest - 1) {
        uint64_t n = evidence_sum(instance, rest & -rest);
        if (n > 0)
            text_addf(out, "%s%s %llu", out->n > before ? ", " : "",
                      rule_row((enum rule)__builtin_ctzll(rest))->name, (unsigned long long)n);
    }
    return out->n > before;
}

static void
add_host(struct text *out, const struct instance *instance)
{
    text_add(out, " of host ");
    text_add_plain(out, instance_hostname(instance), MAX_HOSTNAME);
}

static void
tell_loop(struct instances *instances, const struct instance *instance, struct text *out)
{
    struct churn_story story;
    if (!churn_look(instances->churn, instance->life.key, instances->time_ms, &story) ||
        story.n_lives == 0)
        return;
    text_addf(out, "%u lives", story.n_lives);
    add_host(out, instance);
    add_minutes(out, story.span_ms);
    text_addf(out,
              ", one after another, each ended abruptly after at most %lld s, with %u to %u "
              "segments and at most %u keep-alives",
              (long long)((story.longest_ms + 999) / 1000), story.least_segments,
              story.most_segments, story.most_keepalives);
}

static void
tell_clock(struct instances *instances, const struct instance *instance, struct text *out)
{
    struct clock_step step;
    if (!clock_steps_look(instances->steps, instance_hostname(instance), instances->time_ms, &step))
        return;
    text_addf(out, "%u spans of %u instances", step.n_spans, step.n_witnesses);
    add_host(out, instance);
    text_add(out, " ended before they started");
    add_minutes(out, CLOCK_STEPS_BURST_MS);
}

static void
tell_counts(struct instances *instances, const struct instance *instance, enum diagnosis diagnosis,
            struct text *out)
{
    bool has_counts = add_counts(out, instance, instances_signs(instances, diagnosis));
    uint64_t n_supersets = evidence_supersets(instance);
    if (diagnosis == DIAGNOSIS_reentry && n_supersets > 0) {
        text_addf(out, "%s%llu segments came again with more spans", has_counts ? ", " : "",
                  (unsigned long long)n_supersets);
        has_counts = true;
    }
    if (!has_counts)
        return;
    if (diagnosis == DIAGNOSIS_context_lost)
        text_addf(out, ", %u %% of the segments are one Exit span without a reference",
                  instance->evidence->orphan_percent);
    if (diagnosis == DIAGNOSIS_unsendable_text)
        text_add(out, " times three resets a minute or more, no damage in what arrives");
    add_minutes(out, reach_ms(instances, instance));
}

void
instances_tell(struct instances *instances, const struct instance *instance,
               enum diagnosis diagnosis, struct text *out)
{
    if (diagnosis == DIAGNOSIS_race_build_loop || diagnosis == DIAGNOSIS_crash_loop)
        tell_loop(instances, instance, out);
    else if (diagnosis == DIAGNOSIS_clock_step)
        tell_clock(instances, instance, out);
    else
        tell_counts(instances, instance, diagnosis, out);
}
