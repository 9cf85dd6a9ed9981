/* Holds upstream.kafka against what Kafka, librdkafka and OAP's fetcher take. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/kafka_topic.h"
#include "conf/conf_int.h"

/* A default has no place of its own; a broken value was told already. */
static struct conf_place
place_of(const struct conf_loading *loading, const struct conf_node *node, const char *path,
         bool is_key)
{
    const struct conf_place *place = is_key ? &node->key_place : &node->place;
    return place->file != NULL ? *place : conf_loading_place(loading, path);
}

static void
check_topic(struct conf_loading *loading, const struct conf_node *node)
{
    static const char path[] = "upstream.kafka.topics";
    if (kafka_topic_find(node->key) == KAFKA_TOPIC_COUNT) {
        struct conf_place place = place_of(loading, node, path, true);
        conf_diag_add(loading->diags, CONF_ERROR, 63, &place,
                      text_nearest(node->key, kafka_topic_words(), KAFKA_TOPIC_WORDS),
                      "%s: %s is none of segments, metrics, meters, managements, profilings, logs",
                      path, conf_diag_quote(loading->scratch, node->key));
    }
    if (!kafka_topic_is_name(node->text)) {
        struct conf_place place = place_of(loading, node, path, false);
        conf_diag_add(loading->diags, CONF_ERROR, 63, &place, NULL,
                      "%s: Kafka takes no topic named %s", path,
                      conf_diag_quote(loading->scratch, node->text));
    }
}

static void
check_topics(struct conf_loading *loading)
{
    const struct conf *conf = loading->conf;
    const struct conf_node *node = loading->topics != NULL ? loading->topics->first : NULL;
    for (; node != NULL; node = node->next)
        check_topic(loading, node);
    struct conf_place place = conf_loading_place(loading, "upstream.kafka.namespace");
    if (conf->upstream.kafka.namespace[0] != '\0' &&
        !kafka_topic_is_name(conf->upstream.kafka.namespace))
        conf_diag_add(loading->diags, CONF_ERROR, 63, &place, NULL,
                      "upstream.kafka.namespace: Kafka takes no topic that begins with %s",
                      conf_diag_quote(loading->scratch, conf->upstream.kafka.namespace));
}

/* librdkafka's words repeat the value, which may be a secret. */
static bool
check_property(struct conf_loading *loading, const struct conf_node *node)
{
    static const char path[] = "upstream.kafka.properties";
    const struct conf_pair pair = {node->key, node->text};
    struct text why = TEXT_EMPTY;
    enum conf_kafka_fault fault =
        loading->input->check_kafka(&(struct conf_pairs){&pair, 1}, false, &why);
    struct conf_place place = place_of(loading, node, path, true);
    if (fault == CONF_KAFKA_OWN)
        conf_diag_add(loading->diags, CONF_ERROR, 62, &place, NULL, "%s: spangate sets %s itself",
                      path, conf_diag_quote(loading->scratch, node->key));
    if (fault == CONF_KAFKA_REFUSED)
        conf_diag_add(loading->diags, CONF_ERROR, 61, &place, NULL, "%s: %s: %s", path,
                      conf_diag_quote(loading->scratch, node->key),
                      why.p != NULL && !conf_name_is_secret(node->key) ? why.p : "refused");
    text_fini(&why);
    return fault == CONF_KAFKA_FINE;
}

/* As other secrets written out in such a file. */
static void
check_exposure(struct conf_loading *loading, const struct conf_node *node)
{
    if (!loading->file_is_public || !conf_name_is_secret(node->key) || node->is_expanded ||
        node->place.line == 0)
        return;
    conf_diag_add(loading->diags, CONF_WARNING, 35, &node->place, NULL,
                  "upstream.kafka.properties: %s stands in a file that everybody on this machine "
                  "can read; use ${NAME}",
                  conf_diag_quote(loading->scratch, node->key));
}

static void
check_properties(struct conf_loading *loading)
{
    const struct conf *conf = loading->conf;
    bool fine = !conf_loading_is_bad(loading, "upstream.kafka.properties");
    if (loading->input->check_kafka == NULL || conf->upstream.kind != CONF_KIND_KAFKA)
        return;
    const struct conf_node *node = loading->properties != NULL ? loading->properties->first : NULL;
    for (; node != NULL; node = node->next) {
        check_exposure(loading, node);
        fine = check_property(loading, node) && fine;
    }
    if (!fine)
        return;
    struct text why = TEXT_EMPTY;
    struct conf_place place = conf_loading_place(loading, "upstream.kafka.properties");
    if (loading->input->check_kafka(&conf->upstream.kafka.properties, true, &why) !=
        CONF_KAFKA_FINE)
        conf_diag_add(loading->diags, CONF_ERROR, 61, &place, NULL, "upstream.kafka.properties: %s",
                      why.p != NULL ? why.p : "refused");
    text_fini(&why);
}

static void
check_ways(struct conf_loading *loading)
{
    const struct conf *conf = loading->conf;
    struct conf_place place = conf_loading_place(loading, "upstream.kafka.brokers");
    if (conf->upstream.kafka.brokers.n == 0 &&
        !conf_loading_is_bad(loading, "upstream.kafka.brokers") && !loading->has_unknown_keys)
        conf_diag_add(loading->diags, CONF_ERROR, 60, &place, NULL,
                      "upstream.kind is kafka, but upstream.kafka.brokers is empty: there is "
                      "nowhere to forward to");
    place = conf_loading_place(loading, "upstream.kind");
    if (conf->upstream.addresses.n == 0 && !conf_loading_is_bad(loading, "upstream.addresses"))
        conf_diag_add(
            loading->diags, CONF_WARNING, 64, &place, NULL,
            "upstream.kind is kafka and upstream.addresses is empty: CLR metrics, "
            "events, browser data, span-attached events, mesh metrics and eBPF keep-alives "
            "have no topic; they are answered OK and counted as dropped (policy)");
}

static void
check_effect(struct conf_loading *loading)
{
    const struct conf *conf = loading->conf;
    const struct {
        const char *path;
        bool is_there;
    } settings[] = {
        {"upstream.kafka.brokers", conf->upstream.kafka.brokers.n > 0},
        {"upstream.kafka.namespace", conf->upstream.kafka.namespace[0] != '\0'},
        {"upstream.kafka.topics", conf->upstream.kafka.topics.n > 0},
        {"upstream.kafka.properties", conf->upstream.kafka.properties.n > 0},
    };
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        if (!settings[i].is_there)
            continue;
        struct conf_place place = conf_loading_place(loading, settings[i].path);
        conf_diag_add(loading->diags, CONF_WARNING, 65, &place, NULL,
                      "%s is set, but upstream.kind is not kafka: nothing is done with it",
                      settings[i].path);
        return;
    }
}

void
conf_check_kafka(struct conf_loading *loading)
{
    if (conf_loading_is_bad(loading, "upstream.kind"))
        return;
    check_topics(loading);
    check_properties(loading);
    if (loading->conf->upstream.kind == CONF_KIND_KAFKA)
        check_ways(loading);
    else
        check_effect(loading);
}
