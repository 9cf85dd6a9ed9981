/* Every diagnosis: its code, what it means, what to do. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Source: integrity.md 4. Words only; integrity/ binds the evidence to each row by its token.
 *
 * DIAGNOSIS(token, code, name, confidence, is_error, text, next step)
 *   confidence  how sure the evidence makes it: HIGH, MEDIUM or LOW
 *   is_error    data or processes are lost; else only worth knowing
 */
#ifndef TABLES_DIAGNOSES_H
#define TABLES_DIAGNOSES_H

/* clang-format off */
#define DIAGNOSES(DIAGNOSIS) \
    DIAGNOSIS(memory_race, "D1", "memory race", HIGH, true, \
        "Spans are shared between goroutines and written without a lock: what arrives is torn.", \
        "Use a Go agent newer than 0.6.0 (main or 0.7.0: locks and deep copies) on Go 1.24 or newer, look for spans used in callbacks, and run race detection in a build without the agent.") \
    DIAGNOSIS(race_build_loop, "D2", "crash loop of a -race build", MEDIUM, true, \
        "The program starts, reports itself and dies, again and again. That is typical of a Go program built with -race and the agent: the agent's hook crashes in newproc at the first goroutine that is started inside a traced request. A program that panics at its start looks the same.", \
        "Build without -race, and run race detection in a build without the agent. The published advice 'Go >= 1.23.0 cures -race' holds only for agents <= 0.5.0, which silently fail to install their hook there; newer agents crash again in newproc. If it was no -race build, read the program's last output.") \
    DIAGNOSIS(crash_loop, "D3", "crash loop", LOW, true, \
        "The program starts and dies abruptly, again and again, one life after another on one host.", \
        "Look at its exit codes and its memory limit; a race inside the agent is one candidate. Jobs that somebody starts by hand and restarts during development look the same: then nothing is wrong.") \
    DIAGNOSIS(context_lost, "D4", "context propagation off", LOW, false, \
        "Calls arrive as traces of their own: what a request does in other goroutines is no longer tied to it. Background jobs look the same: then nothing is wrong.", \
        "With a Go agent <= 0.5.0 on Go >= 1.23, whose hook is silently not installed, upgrade the agent, and build without -race then. Agents before 0.5.0 also lose spans when they sample below 100 %: upgrade, or sample all.") \
    DIAGNOSIS(unsendable_text, "D5", "unsendable text", MEDIUM, true, \
        "The agent resets its own stream time and again: it cut or copied text that is not valid UTF-8, its library refuses to send it, and the segment is lost. This is no race.", \
        "Raise or turn off the byte limits of the agent's plugins (redis arguments, gin headers), and look for foreign sw8 headers. Each reset costs a segment or two.") \
    DIAGNOSIS(clock_step, "D6", "clock step", MEDIUM, false, \
        "Spans of several instances of one host end before they start: the host's clock was set, by NTP or when a virtual machine went on.", \
        "Nothing, unless it comes back: then look at the host's time synchronisation.") \
    DIAGNOSIS(reentry, "D7", "re-entry defect in the agent", MEDIUM, false, \
        "Segments are sent again with more spans, or hold a span twice: an asynchronous continuation goes on with a span that was finished.", \
        "Use the newest agent; if that does not help, report it to the agent's project with a segment from quarantine or from the log.") \
    DIAGNOSIS(broken_caller, "D8", "hostile or broken caller", MEDIUM, false, \
        "Some client sends broken sw8 headers, paths or text. The service that reports it is fine.", \
        "Find the caller by the endpoint of the segments concerned. Nothing is to be done at this service.") \
    DIAGNOSIS(name_clash, "D9", "name clash", MEDIUM, false, \
        "Two programs use one service and instance name: what they send is taken for one.", \
        "Give each program its own service name, and each process its own instance name.") \
    DIAGNOSIS(backend_poison, "D10", "backend poison", HIGH, false, \
        "The segments are lawful, but OAP or its database would have thrown them away without a word, some of them with healthy segments of others.", \
        "Nothing is lost as long as they go through here: they are repaired, or set aside where no repair exists. The tag or name concerned stands in the findings; change it at its source when that is yours.")
/* clang-format on */

#endif
