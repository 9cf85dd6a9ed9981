/* Settings of Kafka as one immutable piece. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "forward/kafka_setup.h"

#include "base/mem.h"

static char *
join(const struct conf_list *list)
{
    struct text text = TEXT_EMPTY;
    text_add(&text, "");
    for (uint32_t i = 0; i < list->n; i++)
        text_addf(&text, "%s%s", i > 0 ? "," : "", list->items[i]);
    return text.p;
}

/* The namespace goes in front of every name, as OAP's fetcher does. */
static char *
topic_of(const struct kafka_settings *settings, enum kafka_topic topic)
{
    const char *name = kafka_topic_name(topic);
    for (uint32_t i = 0; i < settings->topics.n; i++)
        if (kafka_topic_find(settings->topics.items[i].key) == topic)
            name = settings->topics.items[i].value;
    struct text text = TEXT_EMPTY;
    text_addf(&text, "%s%s%s", settings->name_space, settings->name_space[0] != '\0' ? "-" : "",
              name);
    return text.p;
}

struct kafka_setup *
kafka_setup_new(const struct kafka_settings *settings)
{
    struct kafka_setup *setup = mem_new(struct kafka_setup);
    setup->brokers = join(&settings->brokers);
    for (int i = 0; i < KAFKA_TOPIC_COUNT; i++)
        setup->topics[i] = topic_of(settings, (enum kafka_topic)i);
    setup->n_properties = settings->properties.n;
    setup->properties = mem_new_n(struct conf_pair, setup->n_properties);
    for (uint32_t i = 0; i < setup->n_properties; i++)
        setup->properties[i] = (struct conf_pair){mem_string(settings->properties.items[i].key),
                                                  mem_string(settings->properties.items[i].value)};
    setup->timeout_us = settings->timeout_us;
    setup->max_batches = settings->max_batches;
    setup->batch_items = settings->batch_items;
    setup->max_message_bytes = settings->max_message_bytes;
    return setup;
}

void
kafka_setup_free(struct kafka_setup **setup)
{
    if (*setup == NULL)
        return;
    for (uint32_t i = 0; i < (*setup)->n_properties; i++) {
        mem_free((void *)(uintptr_t)(*setup)->properties[i].key);
        mem_free((void *)(uintptr_t)(*setup)->properties[i].value);
    }
    for (int i = 0; i < KAFKA_TOPIC_COUNT; i++)
        mem_free((*setup)->topics[i]);
    mem_free((*setup)->properties);
    mem_free((*setup)->brokers);
    mem_free(*setup);
    *setup = NULL;
}
