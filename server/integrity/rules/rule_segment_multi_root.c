/* segment-multi-root: proof of a fault for Go, Java, .NET; Rust, PHP and Lua may make two roots. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/rule_list.h"

bool
rule_segment_multi_root(const struct rule_context *context)
{
    return context->n_roots > 1;
}
