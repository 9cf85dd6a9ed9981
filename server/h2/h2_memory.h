/* nghttp2's allocations, charged to the budget of the worker whose connection it is. */
/* SPDX-License-Identifier: Apache-2.0 */
/* An idle connection holds some 14 KB there, which grows with its streams and header tables. */
#ifndef H2_H2_MEMORY_H
#define H2_H2_MEMORY_H

#include <nghttp2/nghttp2.h>

#include "base/budget.h"

nghttp2_mem h2_memory(struct budget *);

#endif
