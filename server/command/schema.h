/* The JSON Schema of the configuration, made from the option table. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Draft-07, which 2020-12 readers understand too: helm's and editors' validators know it. It holds
 * what one value alone must be: keys, kinds, words, bounds of numbers, units. What settings must be
 * beside each other, and the bounds of sizes and times, check-config knows alone. A value with a
 * ${...} in it fits everywhere, as do null for a section whose keys are all commented out and a
 * text for a list ("a,b" or JSON), since the loader takes them. */
#ifndef COMMAND_SCHEMA_H
#define COMMAND_SCHEMA_H

#include "base/text.h"

/* The whole document: "config schema". */
void schema_add(struct text *);
/* The same object for the key "config" of the chart's values: helm reads YAML 1.1, where a bare off
 * is false, so false stands for the word "off" here. */
void schema_add_chart(struct text *);

#endif
