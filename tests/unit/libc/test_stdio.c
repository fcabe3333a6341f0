/* SPDX-License-Identifier: MIT */
/* sources: libc/posix/stdio.c */
/* flags: -fno-builtin -isystem libc/include -include tests/unit/world/rename_stdio.h -Wno-format */
/*
 * Tests libc/posix/stdio.c: lines of the log, and lengths that nothing can have.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kernel/log.h"
#include "kernel/thread/thread.h"
#include "libc/core/format.h"
#include "libc/posix/descriptor.h"
#include "libc/posix/log_stream.h"

int talus_errno;

static char logged[2048];
static size_t logged_bytes;

/* "info name: text|" */
void log_write(enum log_level level, const char *subsystem, const char *format, ...)
{
    struct output line;
    va_list arguments;

    output_start(&line, logged + logged_bytes, sizeof(logged) - logged_bytes);
    format_append(&line, "%s %s: ", level == LOG_INFO ? "info" : "warning", subsystem);
    va_start(arguments, format);
    format_append_v(&line, format, arguments);
    va_end(arguments);
    output_append_string(&line, "|");
    assert_false(output_is_cut(&line));
    logged_bytes += line.length;
}

struct thread *thread_self(void)
{
    return NULL;
}

const char *thread_name(const struct thread *thread)
{
    (void)thread;
    return "thread";
}

ssize_t call_result(ssize_t result)
{
    if (result < 0) {
        errno = (int)-result;
        return -1;
    }
    return result;
}

static int start(void **state)
{
    (void)state;
    logged_bytes = 0;
    logged[0] = '\0';
    errno = 0;
    return 0;
}

static void whole_lines_are_logged_and_the_rest_at_the_programs_end(void **state)
{
    (void)state;
    assert_int_equal(printf("a%d", 1), 2);
    assert_string_equal(logged, "");
    assert_int_equal(fwrite("b\nc", 1, 3, stdout), 3);
    assert_string_equal(logged, "info app: a1b|");
    assert_int_equal(log_stream_write(STDERR_FILENO, "bad\nworse", 9), 9);
    assert_string_equal(logged, "info app: a1b|warning app: bad|");
    assert_int_equal(log_stream_write(7, "x", 1), -EBADF);
    log_streams_end_lines();
    assert_string_equal(logged, "info app: a1b|warning app: bad|info app: c|warning app: worse|");
    log_streams_end_lines();
    assert_int_equal(logged_bytes, strlen("info app: a1b|warning app: bad|info app: c|"
                                          "warning app: worse|"));
}

/* The product wrapped, and what was behind the array was written to the log, or nothing. */
static void more_than_memory_can_have_is_not_written(void **state)
{
    (void)state;
    assert_int_equal(fwrite("xy\n", SIZE_MAX / 2 + 2, 2, stdout), 0);
    assert_int_equal(errno, EOVERFLOW);
    assert_string_equal(logged, "");
    assert_int_equal(fwrite("xy\n", 0, 5, stdout), 0);
    assert_int_equal(fwrite("xy\n", 5, 0, stdout), 0);
    assert_int_equal(fwrite("xy\nz\n", 1, 3, stdout), 3);
    assert_string_equal(logged, "info app: xy|");
}

/* The node halted. */
static void a_text_longer_than_an_int_tells_is_an_error(void **state)
{
    char text[8];

    (void)state;
    assert_int_equal(snprintf(text, sizeof(text), "%*d", INT_MAX, 1), INT_MAX);
    assert_int_equal(snprintf(text, sizeof(text), "%*d%d", INT_MAX, 1, 2), -1);
    assert_int_equal(errno, EOVERFLOW);
    assert_string_equal(text, "       ");
    errno = 0;
    assert_int_equal(fprintf(stdout, "%*d%*d\n", INT_MAX, 1, INT_MAX, 1), -1);
    assert_int_equal(errno, EOVERFLOW);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(whole_lines_are_logged_and_the_rest_at_the_programs_end, start),
        cmocka_unit_test_setup(more_than_memory_can_have_is_not_written, start),
        cmocka_unit_test_setup(a_text_longer_than_an_int_tells_is_an_error, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
