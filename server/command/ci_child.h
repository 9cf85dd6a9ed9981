/* The command that the verb ci runs: forked early, started late, waited for, signals passed on. */
/* SPDX-License-Identifier: Apache-2.0 */
/* It is forked before the gate has threads, limits or ignored signals of its own, so that it gets
 * everything as the shell gave it; it waits for the gate's address and becomes the command then.
 * One thread calls all of it after ci_child_fork. */
#ifndef COMMAND_CI_CHILD_H
#define COMMAND_CI_CHILD_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct ci_child {
    pid_t pid;
    int order; /* write end: the address goes here */
    int echo;  /* read end: errno of an exec that failed */
    sigset_t awaited, before;
    bool is_over;
    int wait_status; /* as waitpid gives it, once over */
    uint64_t began_us, ended_us;
};

/* Before any thread is started. argv ends in NULL. Blocks the signals that end a command; gives
 * errno or 0. */
int ci_child_fork(struct ci_child *, char *const *argv);
/* The agents' variables are set to the address and the command begins. Gives errno of what could
 * not be run, or 0. */
int ci_child_start(struct ci_child *, const char *address);
/* Until the command has ended. Signals that come to this process alone go to it; those of the
 * terminal reach it anyway. */
void ci_child_wait(struct ci_child *);
/* Once it has ended: true when a signal asks to hurry, at the latest after so long. */
bool ci_child_pause(struct ci_child *, uint32_t ms);
/* Gives up a child that was never started; unblocks the signals. */
void ci_child_end(struct ci_child *);

/* The exit code as a shell gives it: 128 + signal when one ended it. */
int ci_child_code(const struct ci_child *);
/* The signal that ended it; 0: none. */
int ci_child_signal(const struct ci_child *);

#endif
