/* The program under test as a child: start, kill, what it prints and what it tells of itself. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "peer.h"

enum { SCRAPE_BYTES = 1 << 20, SCRAPE_LIMIT_S = 10 };

static void
add_arg(struct daemon *daemon, const char *arg)
{
    if (daemon->n_args >= DAEMON_ARGS - 2) {
        fputs("daemon: too many settings\n", stderr);
        exit(70);
    }
    daemon->args[daemon->n_args++] = mem_string(arg);
}

void
daemon_init(struct daemon *daemon, struct loop *loop, const char *binary)
{
    memset(daemon, 0, sizeof *daemon);
    daemon->loop = loop;
    daemon->binary = binary;
    add_arg(daemon, binary);
    add_arg(daemon, "serve");
    daemon_set(daemon, "listen.grpc.address=127.0.0.1:0");
    daemon_set(daemon, "telemetry.address=127.0.0.1:0");
    daemon_set(daemon, "listen.http.address=");
    daemon_set(daemon, "admin.address=");
}

void
daemon_fini(struct daemon *daemon)
{
    daemon_kill(daemon);
    for (int i = 0; i < daemon->n_args; i++)
        mem_free(daemon->args[i]);
}

void
daemon_set(struct daemon *daemon, const char *format, ...)
{
    char setting[512];
    va_list list;
    va_start(list, format);
    vsnprintf(setting, sizeof setting, format, list);
    va_end(list);
    add_arg(daemon, "--set");
    add_arg(daemon, setting);
}

static void
close_output(struct daemon *daemon)
{
    if (daemon->output)
        loop_close(daemon->loop, daemon->output);
    daemon->output = NULL;
}

/* The port behind the last colon of the line that begins so; 0 when there is none yet. */
static uint16_t
find_port(const struct daemon *daemon, const char *begin)
{
    const char *line = strstr(daemon->text, begin);
    line = line ? line + 1 : NULL; /* behind the newline before it */
    const char *end = line ? strchr(line, '\n') : NULL;
    const char *colon = NULL;
    for (const char *p = line; end && p < end; p++)
        if (*p == ':')
            colon = p;
    return colon ? (uint16_t)strtoul(colon + 1, NULL, 10) : 0;
}

static void
on_output(void *arg, bool readable, bool writable)
{
    struct daemon *daemon = arg;
    (void)writable;
    if (!readable)
        return;
    if (daemon->n_text > DAEMON_TEXT_BYTES / 2) {
        uint32_t half = DAEMON_TEXT_BYTES / 4;
        daemon->n_text -= half;
        memmove(daemon->text, daemon->text + half, daemon->n_text);
    }
    ssize_t n = read(daemon->output->fd, daemon->text + daemon->n_text,
                     DAEMON_TEXT_BYTES - daemon->n_text - 1);
    if (n > 0)
        daemon->n_text += (uint32_t)n;
    daemon->text[daemon->n_text] = '\0';
    if (n == 0)
        close_output(daemon);
}

/* It dies with us, however we end. */
static void
become(struct daemon *daemon, int output)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    execv(daemon->binary, daemon->args);
    fprintf(stderr, "%s: %s\n", daemon->binary, strerror(errno));
    _exit(127);
}

static bool
spawn(struct daemon *daemon)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return false;
    daemon->pid = fork();
    if (daemon->pid == 0)
        become(daemon, ends[1]);
    close(ends[1]);
    if (daemon->pid < 0) {
        daemon->pid = 0;
        close(ends[0]);
        return false;
    }
    daemon->output = loop_watch(daemon->loop, ends[0], on_output, daemon);
    return true;
}

bool
daemon_start(struct daemon *daemon, int limit_ms)
{
    daemon->n_text = 0;
    daemon->text[0] = '\0';
    daemon->grpc_port = daemon->telemetry_port = 0;
    if (!spawn(daemon))
        return false;
    int64_t limit_us = now_us() + (int64_t)limit_ms * 1000;
    while (daemon->output && now_us() < limit_us) {
        loop_turn(daemon->loop, 10);
        daemon->grpc_port = find_port(daemon, "\nlistening  grpc");
        daemon->telemetry_port = find_port(daemon, "\ntelemetry  http");
        if (daemon->grpc_port && daemon->telemetry_port)
            return true;
    }
    return false;
}

void
daemon_kill(struct daemon *daemon)
{
    if (daemon->pid) {
        kill(daemon->pid, SIGKILL);
        waitpid(daemon->pid, NULL, 0);
    }
    daemon->pid = 0;
    close_output(daemon);
}

int
daemon_end(struct daemon *daemon, int limit_ms)
{
    int64_t limit_us = now_us() + (int64_t)limit_ms * 1000;
    int status = 0;
    kill(daemon->pid, SIGTERM);
    while (waitpid(daemon->pid, &status, WNOHANG) == 0) {
        if (now_us() > limit_us) {
            daemon_kill(daemon);
            return -1;
        }
        loop_turn(daemon->loop, 5);
    }
    daemon->pid = 0;
    while (daemon->output)
        loop_turn(daemon->loop, 10);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* What the telemetry port answers, with a NUL; mem_free it. NULL when it fails. */
static char *
scrape(const struct daemon *daemon)
{
    static const char request[] =
        "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    int fd = peer_connect(daemon->telemetry_port);
    if (fd < 0)
        return NULL;
    struct timeval limit = {SCRAPE_LIMIT_S, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    char *text = mem_alloc(SCRAPE_BYTES);
    size_t n = 0;
    ssize_t got = send(fd, request, sizeof request - 1, MSG_NOSIGNAL);
    while (got > 0 && n < SCRAPE_BYTES - 1) {
        got = recv(fd, text + n, SCRAPE_BYTES - 1 - n, 0);
        n += got > 0 ? (size_t)got : 0;
    }
    close(fd);
    text[n] = '\0';
    if (got == 0 && n > 0)
        return text;
    mem_free(text);
    return NULL;
}

double
daemon_metric(const struct daemon *daemon, const char *family, const char *labels)
{
    char *text = scrape(daemon);
    if (!text)
        return -1;
    double sum = 0;
    bool found = false;
    size_t n = strlen(family);
    for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
        *end = '\0';
        if (strncmp(line, family, n) != 0 || (line[n] != ' ' && line[n] != '{') ||
            !strstr(line, labels))
            continue;
        found = true;
        sum += strtod(strrchr(line, ' '), NULL);
    }
    mem_free(text);
    return found ? sum : -1;
}

uint64_t
daemon_memory(const struct daemon *daemon, const char *key)
{
    char path[64], line[256];
    uint64_t kib = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)daemon->pid);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, key, strlen(key)) == 0)
            kib = strtoull(line + strlen(key) + 1, NULL, 10);
    if (file)
        fclose(file);
    return kib * 1024;
}
