/* The spool's thread: parcels there and back, on a real directory. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>

#include "base/log.h"
#include "base/mem.h"
#include "daemon/spooler.h"
#include "support/temp_dir.h"

enum {
    N_WORKERS = 2,
    PAYLOAD = 8,
    RECORD = SPOOL_RECORD_HEAD_BYTES + PAYLOAD,
    LARGE = 20 * 1024 * 1024,
};

/* What stands in for a worker: what came back, and who waits for it. */
struct customer {
    pthread_mutex_t lock;
    pthread_cond_t came;
    struct parcel *parcels[64];
    uint32_t n;
};

struct world {
    char directory[TEMP_DIR_BYTES];
    const struct conf *conf;
    struct metrics *metrics;
    struct spooler *spooler;
    struct customer workers[N_WORKERS];
    pthread_mutex_t lock;
    pthread_cond_t changed; /* the spooler's state */
};

static void
on_parcel(void *worker, struct parcel *parcel)
{
    struct customer *customer = worker;
    pthread_mutex_lock(&customer->lock);
    customer->parcels[customer->n++] = parcel;
    pthread_cond_signal(&customer->came);
    pthread_mutex_unlock(&customer->lock);
}

static void
on_state(void *ctx)
{
    struct world *world = ctx;
    pthread_mutex_lock(&world->lock);
    pthread_cond_signal(&world->changed);
    pthread_mutex_unlock(&world->lock);
}

static void
wait_state(struct world *world, enum spool_state state)
{
    pthread_mutex_lock(&world->lock);
    while (spooler_state(world->spooler) != state)
        pthread_cond_wait(&world->changed, &world->lock);
    pthread_mutex_unlock(&world->lock);
}

static struct parcel *
take(struct customer *customer)
{
    pthread_mutex_lock(&customer->lock);
    while (customer->n == 0)
        pthread_cond_wait(&customer->came, &customer->lock);
    struct parcel *parcel = customer->parcels[0];
    memmove(customer->parcels, customer->parcels + 1, --customer->n * sizeof(*customer->parcels));
    pthread_mutex_unlock(&customer->lock);
    return parcel;
}

static void
start(struct world *world)
{
    char path[100], aside[100];
    snprintf(path, sizeof(path), "buffer.disk.path=%s/spool", world->directory);
    snprintf(aside, sizeof(aside), "quarantine.path=%s/aside", world->directory);
    const char *const sets[] = {path, aside, "upstream.kind=discard", "buffer.disk.min_free=0B",
                                "buffer.disk.max=128MiB"};
    struct conf_input input = {.sets = sets, .n_sets = 5};
    struct conf_diags diags = {0};
    struct text why = TEXT_EMPTY;
    assert_int_equal(conf_load(&input, &diags, &world->conf), ERR_OK);
    conf_diags_fini(&diags);
    struct spooler_settings settings = {.conf = world->conf,
                                        .metrics = world->metrics,
                                        .n_workers = N_WORKERS,
                                        .ctx = world,
                                        .on_parcel = on_parcel,
                                        .on_state = on_state};
    assert_int_equal(spooler_start(&settings, &why, &world->spooler), ERR_OK);
    text_fini(&why);
}

static void
stop(struct world *world)
{
    spooler_wind_up(world->spooler);
    spooler_stop(&world->spooler);
    conf_unref(&world->conf);
}

static int
set_up(void **state)
{
    struct world *world = mem_new(struct world);
    assert_int_equal(temp_dir_make(world->directory), 0);
    world->metrics = metrics_new();
    pthread_mutex_init(&world->lock, NULL);
    pthread_cond_init(&world->changed, NULL);
    for (int i = 0; i < N_WORKERS; i++) {
        pthread_mutex_init(&world->workers[i].lock, NULL);
        pthread_cond_init(&world->workers[i].came, NULL);
    }
    start(world);
    *state = world;
    return 0;
}

static int
tear_down(void **state)
{
    struct world *world = *state;
    if (world->spooler != NULL)
        stop(world);
    metrics_free(&world->metrics);
    int result = temp_dir_remove(world->directory);
    mem_free(world);
    return result;
}

/* n records whose payload is their number, from first on. */
static struct slice *
slice_of(struct world *world, uint32_t worker, uint32_t n, uint64_t first, bool is_aside)
{
    struct slice *slice = mem_new(struct slice);
    slice->data = mem_zeroed(n * (size_t)RECORD);
    slice->n_bytes = n * RECORD;
    slice->n_records = n;
    slice->worker = worker;
    slice->is_aside = is_aside;
    for (uint32_t i = 0; i < n; i++) {
        struct spool_record_head *head = (void *)(slice->data + i * (size_t)RECORD);
        uint64_t number = first + i;
        *head = (struct spool_record_head){
            .method = METHOD_SEGMENT_COLLECT, .payload_bytes = PAYLOAD, .received_ms = INT64_MAX};
        memcpy(head + 1, &number, sizeof(number));
        spool_record_fill(head, is_aside ? spooler_aside_seed(world->spooler)
                                         : spooler_seed(world->spooler));
    }
    return slice;
}

static void
send_slice(struct world *world, struct slice *slice)
{
    struct parcel *parcel = parcel_new();
    uint32_t worker = slice->worker;
    STAILQ_INSERT_TAIL(&parcel->slices, slice, link);
    spooler_send(world->spooler, &world->workers[worker], worker, parcel);
}

static void
free_slice(struct slice *slice)
{
    mem_free(slice->data);
    mem_free(slice);
}

/* The one slice of the next parcel; gives its first sequence. */
static uint64_t
expect_slice(struct world *world, uint32_t worker, enum slice_end end)
{
    struct parcel *parcel = take(&world->workers[worker]);
    struct slice *slice = STAILQ_FIRST(&parcel->slices);
    assert_non_null(slice);
    STAILQ_REMOVE_HEAD(&parcel->slices, link);
    assert_int_equal(slice->end, end);
    uint64_t first = slice->first;
    free_slice(slice);
    parcel_free(&parcel);
    return first;
}

static void
send_run(struct world *world, uint32_t worker, uint64_t first, uint32_t n, enum run_end end)
{
    struct parcel *parcel = parcel_new();
    parcel_add_run(parcel, first, n, end);
    spooler_send(world->spooler, &world->workers[worker], worker, parcel);
}

/* Reads once; the number of records, the first payload's number in *number. */
static uint32_t
read_with(struct world *world, uint32_t worker, uint32_t size, uint64_t *number, uint64_t *sequence,
          uint32_t *n_needed)
{
    struct spool_read *read = mem_new(struct spool_read);
    struct parcel *parcel = parcel_new();
    read->size = size;
    read->data = mem_alloc(read->size);
    read->worker = worker;
    STAILQ_INSERT_TAIL(&parcel->reads, read, link);
    spooler_send(world->spooler, &world->workers[worker], worker, parcel);
    parcel = take(&world->workers[worker]);
    assert_ptr_equal(STAILQ_FIRST(&parcel->reads), read);
    STAILQ_REMOVE_HEAD(&parcel->reads, link);
    parcel_free(&parcel);
    uint32_t n = read->n_records;
    *n_needed = read->n_needed;
    if (n > 0) {
        memcpy(number, read->data + SPOOL_RECORD_HEAD_BYTES, sizeof(*number));
        *sequence = ((const struct spool_record_head *)(const void *)read->data)->sequence;
    }
    mem_free(read->data);
    mem_free(read);
    return n;
}

static uint32_t
read_back(struct world *world, uint32_t worker, uint64_t *number, uint64_t *sequence)
{
    uint32_t n_needed;
    return read_with(world, worker, 64 * 1024, number, sequence, &n_needed);
}

static uint64_t
published(struct world *world, enum metric metric, uint32_t index)
{
    uint64_t *sums = mem_new_n(uint64_t, metric_n_slots());
    metrics_collect(world->metrics, sums);
    uint64_t value = sums[metric_row(metric)->first + index];
    mem_free(sums);
    return value;
}

static void
a_slice_comes_back_durable_and_its_records_can_be_read(void **state)
{
    struct world *world = *state;
    uint64_t number, sequence;
    send_slice(world, slice_of(world, 0, 5, 100, false));
    uint64_t first = expect_slice(world, 0, SLICE_DURABLE);
    assert_int_equal(read_back(world, 0, &number, &sequence), 0); /* all are lent */
    send_run(world, 0, first, 2, RUN_DONE);
    send_run(world, 0, first + 2, 3, RUN_UNWANTED);
    assert_int_equal(read_back(world, 0, &number, &sequence), 3);
    assert_int_equal(number, 102);
    assert_int_equal(sequence, first + 2);
    assert_int_equal(read_back(world, 0, &number, &sequence), 0);
}

/* One record, larger than the spool walks over in one call. */
static struct slice *
large_slice(struct world *world)
{
    struct slice *slice = mem_new(struct slice);
    slice->n_bytes = (uint32_t)spool_record_bytes(0, LARGE);
    slice->data = mem_zeroed(slice->n_bytes);
    slice->n_records = 1;
    struct spool_record_head *head = (void *)slice->data;
    *head = (struct spool_record_head){
        .method = METHOD_SEGMENT_COLLECT, .payload_bytes = LARGE, .received_ms = INT64_MAX};
    spool_record_fill(head, spooler_seed(world->spooler));
    return slice;
}

static void
a_record_of_many_megabytes_says_how_much_room_it_needs(void **state)
{
    struct world *world = *state;
    send_slice(world, large_slice(world));
    send_run(world, 0, expect_slice(world, 0, SLICE_DURABLE), 1, RUN_COLD);
    uint32_t n_needed = 0;
    uint64_t number, sequence;
    assert_int_equal(read_with(world, 0, 64 * 1024, &number, &sequence, &n_needed), 0);
    assert_int_equal(n_needed, spool_record_bytes(0, LARGE));
    assert_int_equal(read_with(world, 0, n_needed, &number, &sequence, &n_needed), 1);
}

/* Else agents would be sent away and called back with every file that goes. */
static void
a_full_spool_is_well_again_a_while_after_it_has_room(void **state)
{
    struct world *world = *state;
    uint64_t firsts[6] = {0};
    for (int i = 0; i < 6; i++) {
        send_slice(world, large_slice(world));
        firsts[i] = expect_slice(world, 0, SLICE_DURABLE);
    }
    send_slice(world, large_slice(world));
    wait_state(world, SPOOL_FULL);
    for (int i = 0; i < 6; i++)
        send_run(world, 0, firsts[i], 1, RUN_DONE);
    expect_slice(world, 0, SLICE_DURABLE);
    assert_int_equal(spooler_state(world->spooler), SPOOL_FULL);
    wait_state(world, SPOOL_OK);
}

static void
another_worker_hears_of_cold_records(void **state)
{
    struct world *world = *state;
    uint64_t number, sequence;
    send_slice(world, slice_of(world, 0, 4, 0, false));
    uint64_t first = expect_slice(world, 0, SLICE_DURABLE);
    assert_int_equal(read_back(world, 1, &number, &sequence), 0);
    send_run(world, 0, first, 4, RUN_COLD);
    struct parcel *parcel = take(&world->workers[1]);
    assert_true(parcel->has_cold);
    parcel_free(&parcel);
    assert_int_equal(read_back(world, 1, &number, &sequence), 4);
    assert_int_equal(world->workers[0].n, 0);
}

static void
the_next_life_counts_what_the_last_one_left(void **state)
{
    struct world *world = *state;
    uint64_t number, sequence;
    send_slice(world, slice_of(world, 1, 6, 0, false));
    send_run(world, 1, expect_slice(world, 1, SLICE_DURABLE), 1, RUN_DONE);
    stop(world);
    start(world);
    assert_int_equal(read_back(world, 0, &number, &sequence), 5);
    assert_int_equal(number, 1);
    stop(world);
    assert_int_equal(published(world, METRIC_SPOOL_RECOVERED, 0), 5);
    assert_int_equal(published(world, METRIC_ITEMS_QUEUED, SIGNAL_OTHER), 0);
    assert_int_equal(published(world, METRIC_ITEMS_QUEUED, SIGNAL_TRACING), 5);
    start(world);
}

static void
what_is_set_aside_goes_to_its_own_directory_and_stays(void **state)
{
    struct world *world = *state;
    uint64_t number, sequence;
    send_slice(world, slice_of(world, 0, 3, 0, true));
    expect_slice(world, 0, SLICE_DURABLE);
    assert_int_equal(read_back(world, 0, &number, &sequence), 0);
    stop(world);
    assert_int_equal(published(world, METRIC_QUARANTINE_SEGMENTS, 0), 3);
    start(world);
    stop(world);
    assert_int_equal(published(world, METRIC_QUARANTINE_SEGMENTS, 0), 3);
    assert_int_equal(published(world, METRIC_SPOOL_RECOVERED, 0), 0);
    start(world);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_slice_comes_back_durable_and_its_records_can_be_read,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_record_of_many_megabytes_says_how_much_room_it_needs,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_spool_is_well_again_a_while_after_it_has_room,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_worker_hears_of_cold_records, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_next_life_counts_what_the_last_one_left, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_is_set_aside_goes_to_its_own_directory_and_stays,
                                        set_up, tear_down),
    };
    log_set_level(LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
