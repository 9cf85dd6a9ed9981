/* What the service manager is told: ready, reloading, stopping, still alive (sd_notify). */
/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/service_manager.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

enum {
    STATUS_US = 10 * 1000 * 1000,
    LEAST_BEAT_US = 100 * 1000, /* the timers' grain */
};

struct service_manager {
    struct service_manager_settings settings;
    int socket;
    struct sockaddr_un address;
    socklen_t n_address;
    bool has_watchdog;
    uint64_t beat_us; /* half of what the watchdog waits; without one the state's pace */
    struct loop_timer beat;
};

/* A path, or an abstract name after "@". */
static bool
set_address(struct service_manager *manager, const char *name)
{
    size_t n = strlen(name);
    if ((name[0] != '/' && name[0] != '@') || n < 2 || n >= sizeof(manager->address.sun_path))
        return false;
    manager->address.sun_family = AF_UNIX;
    memcpy(manager->address.sun_path, name, n);
    if (name[0] == '@')
        manager->address.sun_path[0] = '\0';
    manager->n_address = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
    return true;
}

/* $WATCHDOG_USEC, where it is for this process; else 0. */
static uint64_t
watchdog_us(void)
{
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    if (usec == NULL || (pid != NULL && strtoull(pid, NULL, 10) != (uint64_t)getpid()))
        return 0;
    return strtoull(usec, NULL, 10);
}

static void
send_text(struct service_manager *manager, const struct text *text)
{
    ssize_t n = sendto(manager->socket, text->p, text->n, MSG_NOSIGNAL,
                       (const struct sockaddr *)&manager->address, manager->n_address);
    if (n < 0)
        log_debug("daemon", "the service manager was not told", "%s", "");
}

static void
add_status(struct service_manager *manager, struct text *text)
{
    text_add(text, "STATUS=");
    manager->settings.add_status(manager->settings.ctx, text);
    text_add(text, "\n");
}

static void
on_beat(void *ctx)
{
    struct service_manager *manager = ctx;
    struct text text = TEXT_EMPTY;
    bool is_alive = manager->settings.is_alive(manager->settings.ctx);
    if (manager->has_watchdog && is_alive)
        text_add(&text, "WATCHDOG=1\n");
    if (!is_alive)
        log_error("daemon", "a worker's loop is stuck: no sign of life to the service manager",
                  "%s", "");
    add_status(manager, &text);
    send_text(manager, &text);
    text_fini(&text);
    loop_timer_in(&manager->beat, manager->beat_us);
}

struct service_manager *
service_manager_new(const struct service_manager_settings *settings)
{
    const char *name = getenv("NOTIFY_SOCKET");
    if (name == NULL)
        return NULL;
    struct service_manager *manager = mem_new(struct service_manager);
    manager->settings = *settings;
    manager->socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (manager->socket < 0 || !set_address(manager, name)) {
        log_warn("daemon", "NOTIFY_SOCKET cannot be used", "name=%s", LOG_TEXT(bytes_str(name)));
        if (manager->socket >= 0)
            close(manager->socket);
        mem_free(manager);
        return NULL;
    }
    uint64_t watchdog = watchdog_us();
    manager->has_watchdog = watchdog > 0;
    manager->beat_us = manager->has_watchdog ? watchdog / 2 : STATUS_US;
    if (manager->beat_us < LEAST_BEAT_US)
        manager->beat_us = LEAST_BEAT_US;
    loop_timer_init(&manager->beat, settings->loop, on_beat, manager);
    return manager;
}

void
service_manager_free(struct service_manager **where)
{
    struct service_manager *manager = *where;
    if (manager == NULL)
        return;
    loop_timer_cancel(&manager->beat);
    close(manager->socket);
    mem_free(manager);
    *where = NULL;
}

void
service_manager_ready(struct service_manager *manager)
{
    struct text text = TEXT_EMPTY;
    if (manager == NULL)
        return;
    text_add(&text, "READY=1\n");
    add_status(manager, &text);
    send_text(manager, &text);
    text_fini(&text);
    if (!loop_timer_is_armed(&manager->beat))
        loop_timer_in(&manager->beat, manager->beat_us);
}

void
service_manager_reloading(struct service_manager *manager)
{
    struct text text = TEXT_EMPTY;
    if (manager == NULL)
        return;
    text_addf(&text, "RELOADING=1\nMONOTONIC_USEC=%llu\nSTATUS=reloading\n",
              (unsigned long long)clock_fresh_us());
    send_text(manager, &text);
    text_fini(&text);
}

void
service_manager_stopping(struct service_manager *manager, uint64_t within_us)
{
    struct text text = TEXT_EMPTY;
    if (manager == NULL)
        return;
    text_addf(&text, "STOPPING=1\nEXTEND_TIMEOUT_USEC=%llu\n", (unsigned long long)within_us);
    add_status(manager, &text);
    send_text(manager, &text);
    text_fini(&text);
}
