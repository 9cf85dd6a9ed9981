/* Header fields in one block of memory. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "grpc/grpc_metadata.h"

#include "base/mem.h"

enum { LENGTHS_BYTES = 4, FIRST_BYTES = 512, FIELD_OVERHEAD = 32 };

static void
make_room(struct grpc_metadata *metadata, struct budget *budget, uint32_t n)
{
    uint32_t size = metadata->size != 0 ? metadata->size : FIRST_BYTES;
    if (metadata->size >= metadata->n_bytes + n)
        return;
    while (size < metadata->n_bytes + n)
        size *= 2;
    if (budget != NULL)
        budget_take_always(budget, size - metadata->size);
    metadata->p = mem_resize(metadata->p, size);
    metadata->size = size;
}

static void
put_length(uint8_t *out, size_t n)
{
    out[0] = (uint8_t)(n >> 8);
    out[1] = (uint8_t)n;
}

static uint32_t
length_at(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}

void
grpc_metadata_add(struct grpc_metadata *metadata, struct budget *budget, struct grpc_field field)
{
    if (field.name.n == 0 || field.name.n > UINT16_MAX || field.value.n > UINT16_MAX)
        return;
    uint32_t n = LENGTHS_BYTES + (uint32_t)field.name.n + (uint32_t)field.value.n;
    make_room(metadata, budget, n);
    uint8_t *at = metadata->p + metadata->n_bytes;
    put_length(at, field.name.n);
    put_length(at + 2, field.value.n);
    memcpy(at + LENGTHS_BYTES, field.name.p, field.name.n);
    if (field.value.n > 0)
        memcpy(at + LENGTHS_BYTES + field.name.n, field.value.p, field.value.n);
    metadata->n_bytes += n;
    metadata->n++;
}

bool
grpc_metadata_next(const struct grpc_metadata *metadata, uint32_t *at, struct grpc_field *out)
{
    if (*at >= metadata->n_bytes)
        return false;
    const uint8_t *p = metadata->p + *at;
    uint32_t n_name = length_at(p), n_value = length_at(p + 2);
    out->name = bytes_of(p + LENGTHS_BYTES, n_name);
    out->value = bytes_of(p + LENGTHS_BYTES + n_name, n_value);
    *at += LENGTHS_BYTES + n_name + n_value;
    return true;
}

struct bytes
grpc_metadata_find(const struct grpc_metadata *metadata, const char *name)
{
    struct bytes wanted = bytes_str(name);
    struct grpc_field field;
    for (uint32_t at = 0; grpc_metadata_next(metadata, &at, &field);)
        if (bytes_equal(field.name, wanted))
            return field.value;
    return BYTES_NONE;
}

uint64_t
grpc_metadata_list_bytes(const struct grpc_metadata *metadata)
{
    return metadata->n_bytes + (uint64_t)metadata->n * (FIELD_OVERHEAD - LENGTHS_BYTES);
}

uint32_t
grpc_metadata_to_h2(const struct grpc_metadata *metadata, struct h2_header *out, uint32_t room)
{
    struct grpc_field field;
    uint32_t n = 0;
    for (uint32_t at = 0; n < room && grpc_metadata_next(metadata, &at, &field);)
        out[n++] = (struct h2_header){.name = (const char *)field.name.p,
                                      .value = (const char *)field.value.p,
                                      .n_name = (uint32_t)field.name.n,
                                      .n_value = (uint32_t)field.value.n};
    return n;
}

void
grpc_metadata_clear(struct grpc_metadata *metadata)
{
    metadata->n_bytes = 0;
    metadata->n = 0;
}

void
grpc_metadata_fini(struct grpc_metadata *metadata, struct budget *budget)
{
    if (budget != NULL)
        budget_give(budget, metadata->size);
    mem_free(metadata->p);
    *metadata = (struct grpc_metadata){.p = NULL};
}
