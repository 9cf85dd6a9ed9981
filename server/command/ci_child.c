/* Runs the command of the verb ci. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "command/ci_child.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "command/command.h"
#include "net/net.h"

static const char *const variables[] = {
    "SW_AGENT_REPORTER_GRPC_BACKEND_SERVICE", /* Go */
    "SW_AGENT_COLLECTOR_BACKEND_SERVICES",    /* Java, Python, Node */
};

/* The child's side: nothing arrives when the gate could not start. */
static void
become(int order, int echo, char *const *argv)
{
    char address[NET_ADDRESS_TEXT] = "";
    size_t n = 0;
    ssize_t got;
    while (n + 1 < sizeof(address) &&
           ((got = read(order, address + n, sizeof(address) - 1 - n)) > 0 ||
            (got < 0 && errno == EINTR)))
        n += got > 0 ? (size_t)got : 0;
    if (n == 0)
        _exit(EXIT_FAILURE);
    int error_number = 0;
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
        if (setenv(variables[i], address, 1) != 0)
            error_number = errno;
    if (error_number == 0) {
        execvp(argv[0], argv);
        error_number = errno;
    }
    ssize_t written = write(echo, &error_number, sizeof(error_number));
    _exit(written < 0 ? EXIT_FAILURE : 127);
}

/* What was ignored when we began (nohup) stays ignored. */
static void
await_signals(struct ci_child *child)
{
    static const int ending[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
    sigemptyset(&child->awaited);
    sigaddset(&child->awaited, SIGCHLD);
    for (size_t i = 0; i < sizeof(ending) / sizeof(ending[0]); i++) {
        struct sigaction action;
        if (sigaction(ending[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
            sigaddset(&child->awaited, ending[i]);
    }
    signal(SIGCHLD, SIG_DFL); /* ignored, there would be no status to wait for */
    pthread_sigmask(SIG_BLOCK, &child->awaited, &child->before);
}

int
ci_child_fork(struct ci_child *child, char *const *argv)
{
    int order[2], echo[2];
    *child = (struct ci_child){.order = -1, .echo = -1};
    if (pipe2(order, O_CLOEXEC) != 0)
        return errno;
    if (pipe2(echo, O_CLOEXEC) != 0) {
        int error_number = errno;
        close(order[0]);
        close(order[1]);
        return error_number;
    }
    child->pid = fork();
    if (child->pid == 0) {
        close(order[1]);
        close(echo[0]);
        become(order[0], echo[1], argv);
    }
    int error_number = child->pid < 0 ? errno : 0;
    close(order[0]);
    close(echo[1]);
    child->order = order[1];
    child->echo = echo[0];
    await_signals(child);
    return error_number;
}

static void
close_pipes(struct ci_child *child)
{
    if (child->order >= 0)
        close(child->order);
    if (child->echo >= 0)
        close(child->echo);
    child->order = child->echo = -1;
}

/* True once it has ended. */
static bool
reap(struct ci_child *child, int flags)
{
    pid_t pid;
    while ((pid = waitpid(child->pid, &child->wait_status, flags)) < 0 && errno == EINTR)
        continue;
    if (pid == 0)
        return false;
    if (pid < 0) /* somebody took the status: what it was is not known */
        child->wait_status = COMMAND_BUG << 8;
    child->is_over = true;
    child->ended_us = clock_fresh_us();
    return true;
}

int
ci_child_start(struct ci_child *child, const char *address)
{
    int error_number = 0;
    child->began_us = clock_fresh_us();
    ssize_t written = write(child->order, address, strlen(address));
    if (written < 0)
        error_number = errno;
    close(child->order);
    child->order = -1;
    while (read(child->echo, &error_number, sizeof(error_number)) < 0 && errno == EINTR)
        continue;
    close_pipes(child);
    if (error_number != 0)
        reap(child, 0);
    return error_number;
}

/* A key of the terminal goes to the whole foreground group, the command included. */
static void
pass_on(const struct ci_child *child, const siginfo_t *info)
{
    if (info->si_signo != SIGCHLD && info->si_code != SI_KERNEL)
        kill(child->pid, info->si_signo);
}

void
ci_child_wait(struct ci_child *child)
{
    while (!child->is_over && !reap(child, WNOHANG)) {
        siginfo_t info;
        if (sigwaitinfo(&child->awaited, &info) > 0)
            pass_on(child, &info);
    }
}

bool
ci_child_pause(struct ci_child *child, uint32_t ms)
{
    struct timespec step = {ms / 1000, (long)(ms % 1000) * 1000000};
    siginfo_t info;
    int number = sigtimedwait(&child->awaited, &info, &step);
    return number > 0 && number != SIGCHLD;
}

void
ci_child_end(struct ci_child *child)
{
    close_pipes(child); /* one that waits reads the end and exits */
    if (child->pid > 0 && !child->is_over)
        reap(child, 0);
    pthread_sigmask(SIG_SETMASK, &child->before, NULL);
}

int
ci_child_signal(const struct ci_child *child)
{
    return WIFSIGNALED(child->wait_status) ? WTERMSIG(child->wait_status) : 0;
}

int
ci_child_code(const struct ci_child *child)
{
    int number = ci_child_signal(child);
    return number != 0 ? 128 + number : WEXITSTATUS(child->wait_status);
}
