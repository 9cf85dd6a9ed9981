/* Tells the agent from the shape of a segment id, for files where nothing else is known. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Source: integrity.md 0. Over the wire the language property is asked as well. */
#ifndef INTEGRITY_AGENT_SHAPE_H
#define INTEGRITY_AGENT_SHAPE_H

#include "base/bytes.h"
#include "integrity/rule.h"

/* AGENT_IS_GO, AGENT_IS_JAVA or AGENT_UNKNOWN. */
enum agent agent_shape(struct bytes segment_id);

#endif
