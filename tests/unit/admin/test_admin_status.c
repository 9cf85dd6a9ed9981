/* What the API says of instances, of backends and of the whole. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "admin/admin_instances.h"
#include "admin/admin_overview.h"
#include "admin/registry.h"
#include "base/clock.h"

enum { WAIT_MS = 10000, N_THREADS = 2 };
static const int64_t now_ms = 1769860998114; /* 2026-01-31T12:03:18.114Z */

struct site {
    struct loop *loop;
    struct admin_api *api;
    struct instances *instances;
    struct metrics *metrics[N_THREADS];
    struct expose_source source;
    struct admin_overview overview;
    struct admin_routes tables[2];
    uint32_t not_ready;
    char address[NET_ADDRESS_TEXT];
    struct text body;
};

static uint32_t
not_ready(void *ctx)
{
    return ((struct site *)ctx)->not_ready;
}

static bool
backend_disabled(void *ctx, uint32_t slot)
{
    (void)ctx;
    return slot == 3;
}

static bool
is_paused(void *ctx)
{
    (void)ctx;
    return true;
}

static bool
backend_name(void *ctx, uint32_t slot, char out[EXPOSE_BACKEND_NAME])
{
    (void)ctx;
    snprintf(out, EXPOSE_BACKEND_NAME, "oap-%u\":11800", slot);
    return slot == 0 || slot == 3;
}

static const char *
mode(void *ctx)
{
    (void)ctx;
    return "enforce";
}

static int
set_up(void **state)
{
    static struct site site;
    struct text why = TEXT_EMPTY;
    struct net_address bound;
    site = (struct site){.loop = loop_new(), .instances = registry_new(), .body = TEXT_EMPTY};
    for (int i = 0; i < N_THREADS; i++)
        site.metrics[i] = metrics_new();
    site.source = (struct expose_source){.metrics = site.metrics,
                                         .n_metrics = N_THREADS,
                                         .version = "1.2.3",
                                         .revision = "abc",
                                         .nghttp2 = "1",
                                         .ctx = &site,
                                         .not_ready = not_ready,
                                         .backend_name = backend_name,
                                         .backend_disabled = backend_disabled,
                                         .instances = site.instances};
    clock_refresh();
    site.overview = (struct admin_overview){.source = &site.source,
                                            .started_ms = clock_unix_ms(),
                                            .mode = mode,
                                            .buffer_mode = "durable",
                                            .is_paused = is_paused};
    site.tables[0] = admin_instances_routes(site.instances);
    site.tables[1] = admin_overview_routes(&site.overview);
    const struct admin_api_settings settings = {.address = "127.0.0.1:0",
                                                .socket = "",
                                                .token_file = "",
                                                .tables = site.tables,
                                                .n_tables = 2};
    assert_int_equal(admin_api_open(site.loop, &settings, &why, &site.api), ERR_OK);
    assert_true(admin_api_address(site.api, &bound));
    net_address_text(&bound, site.address);
    *state = &site;
    return 0;
}

static int
tear_down(void **state)
{
    struct site *site = *state;
    admin_api_close(&site->api);
    loop_free(&site->loop);
    instances_free(&site->instances);
    for (int i = 0; i < N_THREADS; i++)
        metrics_free(&site->metrics[i]);
    text_fini(&site->body);
    return 0;
}

static void *
serve(void *ctx)
{
    loop_run(((struct site *)ctx)->loop);
    return NULL;
}

/* The registry belongs to the thread that serves: it runs only while we wait. */
static int
get(struct site *site, const char *path)
{
    pthread_t thread;
    int status = 0;
    text_clear(&site->body);
    assert_int_equal(pthread_create(&thread, NULL, serve, site), 0);
    assert_int_equal(http1_get(site->address, path, WAIT_MS, &status, &site->body), ERR_OK);
    loop_stop(site->loop);
    pthread_join(thread, NULL);
    return status;
}

static void
assert_has(const struct site *site, const char *piece)
{
    if (strstr(site->body.p, piece) == NULL)
        print_error("no %s in %s\n", piece, site->body.p);
    assert_non_null(strstr(site->body.p, piece));
}

static void
see(struct site *site, const char *service, const char *instance, enum agent_language language,
    uint32_t n_segments, uint32_t n_bad)
{
    registry_see(site->instances, bytes_str(service), bytes_str(instance), language, n_segments,
                 n_bad, now_ms);
}

static void
without_instances_the_list_is_empty(void **state)
{
    struct site *site = *state;
    assert_int_equal(get(site, "/api/v1/instances"), 200);
    assert_string_equal(site->body.p, "{\"total\":0,\"instances\":[\n]}\n");
}

static void
an_instance_is_told_whole(void **state)
{
    struct site *site = *state;
    see(site, "shop", "7f3a@10.2.0.17", LANGUAGE_NODE, 16, 1);
    assert_int_equal(get(site, "/api/v1/instances"), 200);
    assert_string_equal(
        site->body.p,
        "{\"total\":1,\"instances\":[\n"
        "{\"service\":\"shop\",\"service_instance\":\"7f3a@10.2.0.17\",\"hostname\":\"\","
        "\"language\":\"NodeJS\",\"connections\":1,\"segments\":16,\"spans\":64,\"bad\":1,"
        "\"bad_ratio\":0.0625,\"findings\":{\"span-parent-missing\":1},\"diagnoses\":[],"
        "\"first_seen\":\"2026-01-31T12:03:18.114Z\",\"last_seen\":\"2026-01-31T12:03:18.114Z\"}"
        "\n]}\n");
}

static void
names_of_strangers_stay_in_their_strings(void **state)
{
    struct site *site = *state;
    see(site, "a\"},{\"x\":\"\n", "\xff\xfe\\", LANGUAGE_NONE, 1, 0);
    assert_int_equal(get(site, "/api/v1/instances"), 200);
    assert_has(site, "{\"service\":\"a\\\"},{\\\"x\\\":\\\"\\n\",\"service_instance\":\"");
    assert_has(site, "\\\\\",\"hostname\":\"\",\"language\":\"\",");
}

static void
the_list_may_be_cut(void **state)
{
    struct site *site = *state;
    see(site, "shop", "older", LANGUAGE_GO, 1, 0);
    see(site, "shop", "newer", LANGUAGE_GO, 1, 0);
    assert_int_equal(get(site, "/api/v1/instances?limit=1"), 200);
    assert_has(site, "{\"total\":2,\"instances\":[");
    assert_has(site, "newer");
    assert_null(strstr(site->body.p, "older"));
    assert_int_equal(get(site, "/api/v1/instances?limit=2"), 200);
    assert_has(site, "older");
    assert_int_equal(get(site, "/api/v1/instances?limit=0"), 400);
    assert_int_equal(get(site, "/api/v1/instances?limit=many"), 400);
}

static void
the_list_may_be_of_one_name(void **state)
{
    struct site *site = *state;
    see(site, "shop", "a b&c", LANGUAGE_GO, 1, 0);
    see(site, "pay", "a b&c", LANGUAGE_GO, 1, 0);
    see(site, "shop", "newer", LANGUAGE_GO, 1, 0);
    assert_int_equal(get(site, "/api/v1/instances?limit=1&service=shop&service_instance=a%20b%26c"),
                     200);
    assert_has(site, "{\"total\":3,\"instances\":[\n{\"service\":\"shop\","
                     "\"service_instance\":\"a b&c\"");
    assert_null(strstr(site->body.p, "pay"));
    assert_null(strstr(site->body.p, "newer"));
    assert_int_equal(get(site, "/api/v1/instances?service=sho"), 200);
    assert_string_equal(site->body.p, "{\"total\":3,\"instances\":[\n]}\n");
}

static void
the_worst_may_be_asked_for(void **state)
{
    struct site *site = *state;
    see(site, "shop", "fair", LANGUAGE_GO, 100, 1);
    see(site, "shop", "ill", LANGUAGE_GO, 100, 10);
    see(site, "shop", "busy", LANGUAGE_GO, 5000, 0);
    see(site, "shop", "idle", LANGUAGE_GO, 1, 0);
    assert_int_equal(get(site, "/api/v1/instances?sort=bad&limit=1"), 200);
    assert_has(site, "\"ill\"");
    assert_null(strstr(site->body.p, "\"fair\""));
    assert_int_equal(get(site, "/api/v1/instances?sort=bad&limit=3"), 200);
    assert_has(site, "\"fair\"");
    assert_has(site, "\"busy\"");
    assert_null(strstr(site->body.p, "\"idle\""));
    assert_int_equal(get(site, "/api/v1/instances?sort=bad&service=pay"), 200);
    assert_string_equal(site->body.p, "{\"total\":4,\"instances\":[\n]}\n");
    assert_int_equal(get(site, "/api/v1/instances?sort=size"), 400);
}

/* Of many that are equally bad as many are listed as were asked for. */
static void
equals_fill_the_list_of_the_worst(void **state)
{
    struct site *site = *state;
    char name[16];
    for (int i = 0; i < 9; i++) {
        snprintf(name, sizeof(name), "i%d", i);
        see(site, "shop", name, LANGUAGE_GO, 7, 0);
    }
    assert_int_equal(get(site, "/api/v1/instances?sort=bad&limit=4"), 200);
    int n = 0;
    for (const char *at = site->body.p; (at = strstr(at, "service_instance")) != NULL; at++)
        n++;
    assert_int_equal(n, 4);
}

/* Findings of a memory race: three kinds of them within the window. */
static void
a_diagnosis_comes_with_its_words(void **state)
{
    struct site *site = *state;
    static const enum rule found[] = {RULE_span_id_duplicate, RULE_span_blank,
                                      RULE_span_parent_missing, RULE_root_not_last};
    struct sightings *sightings = sightings_new();
    struct sighting *one = sightings_add(sightings, sighting_hash(BYTES("shop"), BYTES("i")));
    one->language = LANGUAGE_GO;
    one->is_go = true;
    one->n_segments = 1000;
    one->n_bad = 100;
    sightings_name(sightings, 0, BYTES("shop"), BYTES("i"));
    for (size_t i = 0; i < sizeof(found) / sizeof(found[0]); i++)
        sightings_find(sightings, 0, found[i], 100, false);
    instances_take(site->instances, sightings, now_ms);
    sightings_free(&sightings);
    instances_tick(site->instances, now_ms + 1000);
    assert_int_equal(get(site, "/api/v1/instances"), 200);
    const struct diagnosis_row *row = diagnosis_row(DIAGNOSIS_memory_race);
    char wanted[2000];
    snprintf(
        wanted, sizeof(wanted),
        "\"diagnoses\":[{\"code\":\"D1\",\"name\":\"%s\",\"confidence\":\"high\",\"text\":\"%s\","
        "\"next\":\"%s\",\"evidence\":\"",
        row->name, row->text, row->next);
    assert_has(site, wanted);
    assert_null(strstr(site->body.p, "\"evidence\":\"\""));
    assert_has(site, "\"since\":\"2026-01-31T12:03:");
}

static void
the_overview_has_totals_and_a_ledger(void **state)
{
    struct site *site = *state;
    metric_add(site->metrics[0], METRIC_ITEMS_ACCEPTED, SIGNAL_TRACING, 7);
    metric_add(site->metrics[1], METRIC_ITEMS_ACCEPTED, SIGNAL_LOG, 3);
    metric_add(site->metrics[0], METRIC_SPOOL_RECOVERED, 0, 2);
    metric_add(site->metrics[1], METRIC_QUARANTINE_REPLAYED, REPLAYED_REPAIRED, 1);
    metric_add(site->metrics[1], METRIC_QUARANTINE_REPLAYED, REPLAYED_REFUSED, 1);
    metric_add(site->metrics[0], METRIC_ITEMS_FORWARDED, SIGNAL_TRACING, 6);
    metric_add(site->metrics[1], METRIC_ITEMS_QUEUED, SIGNAL_LOG, 4);
    metric_add(site->metrics[1], METRIC_ITEMS_DROPPED, SIGNAL_LOG * DROP_COUNT + DROP_EXPIRED, 1);
    metric_add(site->metrics[0], METRIC_ITEMS_DROPPED, SIGNAL_JVM * DROP_COUNT + DROP_EXPIRED, 1);
    metric_add(site->metrics[0], METRIC_SEGMENTS, 1, 5);
    for (int i = 0; i < N_THREADS; i++)
        metrics_publish(site->metrics[i]);
    see(site, "shop", "i", LANGUAGE_GO, 1, 0);
    assert_int_equal(get(site, "/api/v1/overview"), 200);
    assert_has(site, "{\"version\":\"1.2.3\",\"revision\":\"abc\",\"started\":\"20");
    assert_has(site, "\"mode\":\"enforce\",\n\"ready\":true,\"not_ready\":[],\n");
    assert_has(site, "\"ledger\":{\"accepted\":10,\"restored\":3,\"forwarded\":6,\"dropped\":2,"
                     "\"quarantined\":0,\"queued\":4,\"inflight\":0,\"imbalance\":1},\n");
    assert_has(site, "\"accepted\":{\"tracing\":7,");
    assert_has(site, "\"segments\":{\"clean\":0,\"observed\":5,");
    assert_has(site, "\"expired\":2");
    assert_has(site, "\"instances\":1,");
    assert_has(site, "\"buffer\":{\"mode\":\"durable\",\"memory_bytes\":0,");
    site->not_ready = NOT_READY_DRAINING | NOT_READY_BUFFER;
    assert_int_equal(get(site, "/api/v1/overview"), 200);
    assert_has(site, "\"ready\":false,\"not_ready\":[\"draining\",\"buffer\"],");
}

static void
backends_are_told_by_name(void **state)
{
    struct site *site = *state;
    metric_add(site->metrics[0], METRIC_BACKEND_UP, 3, 1);
    metric_add(site->metrics[1], METRIC_BACKEND_LAST_SUCCESS, 3, 1769860998);
    metric_add(site->metrics[1], METRIC_BACKEND_REQUESTS, 3 * METRIC_CODES, 8);
    metric_add(site->metrics[1], METRIC_BACKEND_REQUESTS, 3 * METRIC_CODES + 14, 2);
    metric_observe_us(site->metrics[1], METRIC_BACKEND_DURATION, 3, 400);
    for (int i = 0; i < N_THREADS; i++)
        metrics_publish(site->metrics[i]);
    assert_int_equal(get(site, "/api/v1/backends"), 200);
    assert_string_equal(
        site->body.p,
        "{\"backends\":[{\"name\":\"oap-0\\\":11800\",\"up\":false,\"enabled\":true,"
        "\"inflight_batches\":0,\"answers_ok\":0,\"answers_failed\":0,"
        "\"answers\":[0,0,0,0,0,0,0,0,0,0,0,0,0,0],"
        "\"last_success\":null},{\"name\":\"oap-3\\\":11800\",\"up\":true,\"enabled\":false,"
        "\"inflight_batches\":0,\"answers_ok\":8,\"answers_failed\":2,"
        "\"answers\":[0,0,0,1,0,0,0,0,0,0,0,0,0,0],"
        "\"last_success\":\"2026-01-31T12:03:18.000Z\"}]}\n");
}

#define WITH_SITE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SITE(without_instances_the_list_is_empty),
        WITH_SITE(an_instance_is_told_whole),
        WITH_SITE(names_of_strangers_stay_in_their_strings),
        WITH_SITE(the_list_may_be_cut),
        WITH_SITE(the_list_may_be_of_one_name),
        WITH_SITE(the_worst_may_be_asked_for),
        WITH_SITE(equals_fill_the_list_of_the_worst),
        WITH_SITE(a_diagnosis_comes_with_its_words),
        WITH_SITE(the_overview_has_totals_and_a_ledger),
        WITH_SITE(backends_are_told_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
