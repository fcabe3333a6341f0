/* SPDX-License-Identifier: MIT */
/* sources: libc/posix/addrinfo.c libc/posix/nameinfo.c libc/posix/name_lookup.c libc/posix/services.c libc/posix/hosts.c libc/posix/inet.c libc/core/tar.c */
/* sources: libc/posix/eventfd.c libc/posix/timerfd.c libc/posix/pipe.c libc/posix/socketpair.c libc/posix/byte_queue.c libc/posix/splice.c libc/posix/socket_messages.c net/wall_clock.c */
/*
 * The calls of two systems: see both_calls.h.
 */
#include "tests/unit/world/both_calls.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <sys/eventfd.h>
#include <unistd.h>

#include "kernel/message/dispatch.h"
#include "kernel/thread/thread.h"
#include "libc/posix/file.h"
#include "tests/unit/world/fake_platform.h"

#define ROUNDS_MAX 10000u

/* The host's, by the names that the linker knows. */
#define X(name, result, arguments) result host_##name arguments __asm__(#name);
BOTH_CALLS(X)
#undef X

static void pass_on_linux(unsigned ms)
{
    const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    (void)nanosleep(&time, NULL);
}

static void pass_on_talus(unsigned ms)
{
    fake_advance_ns(ms * NS_PER_MS);
    thread_yield(); /* a round, in which timers expire */
    thread_yield();
}

static const struct both_calls on_linux = {
#define X(name, result, arguments) .do_##name = host_##name,
    BOTH_CALLS(X)
#undef X
        .pass_ms = pass_on_linux,
};

static const struct both_calls on_talus = {
#define X(name, result, arguments) .do_##name = name,
    BOTH_CALLS(X)
#undef X
        .pass_ms = pass_on_talus,
};

/* No script has files, which could not stand beside the host's. */
int file_find_place(int fd, const off_t *offset, struct file_place *place)
{
    (void)fd, (void)offset, (void)place;
    return -EINVAL;
}

void file_advance(int fd, off_t *offset, size_t bytes)
{
    (void)fd, (void)offset, (void)bytes;
    fail();
}

void (*both_network)(void);

static struct talus_run {
    void (*script)(const struct both_calls *on, struct record *record);
    struct record record;
    bool is_done;
} talus_run;

/* A thread, because some calls wait for other nodes. */
static void run_script(void *argument)
{
    struct talus_run *run = argument;

    run->script(&on_talus, &run->record);
    run->is_done = true;
}

static void run_on_talus(void (*script)(const struct both_calls *on, struct record *record))
{
    talus_run.script = script;
    talus_run.record.length = 0;
    talus_run.is_done = false;
    assert_non_null(thread_create("script", run_script, &talus_run));
    for (unsigned i = 0; !talus_run.is_done; i++) {
        assert_true(i < ROUNDS_MAX);
        dispatch_round();
        if (both_network != NULL) {
            both_network();
        }
    }
}

void run_on_both(void (*script)(const struct both_calls *on, struct record *record))
{
    static struct record linux_record;

    (void)signal(SIGPIPE, SIG_IGN); /* there are no signals on Talus */
    linux_record.length = 0;
    script(&on_linux, &linux_record);
    run_on_talus(script);
    assert_true(linux_record.length > 0);
    size_t same = 0, line = 0;
    while (linux_record.text[same] != '\0' &&
           linux_record.text[same] == talus_run.record.text[same]) {
        same++;
        line = linux_record.text[same - 1] == '\n' ? same : line;
    }
    if (strcmp(talus_run.record.text, linux_record.text) != 0) {
        print_message("on Linux:\n%s", linux_record.text);
        print_message("first another on Linux: %.200s\non Talus: %.200s\n",
                      linux_record.text + line, talus_run.record.text + line);
    }
    assert_string_equal(talus_run.record.text, linux_record.text);
}

void tell(struct record *record, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    record->length += (size_t)vsnprintf(record->text + record->length,
                                        sizeof(record->text) - record->length, format, arguments);
    va_end(arguments);
    assert_true(record->length < sizeof(record->text));
}

void tell_result(struct record *record, const char *call, ssize_t result)
{
    if (result < 0) {
        tell(record, "%s: %s\n", call, strerrorname_np(errno));
    } else {
        tell(record, "%s: %zd\n", call, result);
    }
}
