/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/socket_world.c tests/unit/world/application_world.c */
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
#include "tests/unit/world/fake_platform.h"

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
    dispatch_round();
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

void run_on_both(void (*script)(const struct both_calls *on, struct record *record))
{
    static struct record linux_record, talus_record;

    (void)signal(SIGPIPE, SIG_IGN); /* there are no signals on Talus */
    linux_record.length = talus_record.length = 0;
    script(&on_linux, &linux_record);
    script(&on_talus, &talus_record);
    assert_true(linux_record.length > 0);
    assert_string_equal(talus_record.text, linux_record.text);
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
