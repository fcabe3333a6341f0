/* SPDX-License-Identifier: MIT */
/* sources: kernel/panic.c tests/unit/world/privileged.c */
/*
 * kernel/panic.c: what a node says and does that fails, once or again, in which order. Each test
 * fails in a process of its own, as a node that has failed never works again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernel/log.h"
#include "kernel/message/status.h"
#include "kernel/node.h"
#include "kernel/platform.h"
#include "kernel/thread/thread.h"
#include "kernel/x86/trap.h"
#include "libc/core/assert.h"
#include "tests/unit/world/privileged.h"

/* What happened, a line each; in memory that the processes share. */
static char *story;
#define STORY_BYTES 4096

static const char *thread; /* the name of the one that runs */
static void (*inside_report)(void);
static void (*inside_write)(void);

static void tell(const char *format, ...)
{
    size_t used = strlen(story);
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(story + used, STORY_BYTES - used, format, arguments);
    va_end(arguments);
}

/* --- What it meets --- */

struct node_info node_info;

uint64_t platform_random(void)
{
    return 0x1122334455667788;
}

node_id_t platform_node(void)
{
    return 3;
}

struct thread *thread_self(void)
{
    return (struct thread *)(uintptr_t)thread;
}

const char *thread_name(const struct thread *self)
{
    return (const char *)self;
}

void log_write(enum log_level level, const char *subsystem, const char *format, ...)
{
    char text[256];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    tell("log %d %s: %s\n", level, subsystem, text);
}

void log_end(void)
{
    tell("dead\n");
}

void status_set_state(enum node_state state)
{
    tell("state %d\n", state == NODE_PARKED);
}

void status_send_attention(void)
{
    tell("attention\n");
}

static void tell_before_death(void)
{
    tell("before death\n");
}

static unsigned print(void)
{
    return 0;
}

static void write_text(const char *text, size_t length_bytes)
{
    static const char of_fault[] = "node3 panic: failed again at 0x0000000000001234\n";
    bool is_fault = strcmp(text, of_fault) == 0;

    tell(is_fault ? "failed again at the fault\n" : "failed again at %.2s\n",
         text + strcspn(text, "0"));
    if (length_bytes != strlen(text)) {
        tell("of which %zu bytes are written\n", length_bytes);
    }
    if (inside_write != NULL) {
        inside_write();
    }
}

static void write_through(void)
{
    tell("write through\n");
}

static void flush(void)
{
    tell("flush\n");
}

static const struct platform_console console = {print, write_text, write_through, flush};
const struct platform_console *platform_console = &console;

static void report(const struct trap_frame *frame, uintptr_t frame_pointer)
{
    tell("report %s, frame pointer %s\n", frame != NULL ? "exception" : "no exception",
         frame == NULL ? (frame_pointer != 0 ? "there" : "missing")
                       : (frame_pointer == frame->rbp ? "its own" : "another"));
    if (inside_report != NULL) {
        inside_report();
    }
}

static const struct trap_errors errors = {.log = report};
const struct trap_errors *trap_errors;
void (*trap_leave)(void);

/* --- */

static int begin(void **state)
{
    (void)state;
    story = mmap(NULL, STORY_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(story, MAP_FAILED);
    thread = NULL;
    inside_report = NULL;
    inside_write = NULL;
    trap_errors = &errors;
    panic_before_death = tell_before_death;
    trap_leave = NULL;
    return 0;
}

static int end(void **state)
{
    (void)state;
    return munmap(story, STORY_BYTES);
}

/* In another process: fail so often; each ends in a halt with interrupts off. */
static void fail_elsewhere(void (*failure)(void), unsigned count)
{
    int status = -1;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        for (unsigned i = 0; i < count; i++) {
            privileged.has_interrupts = true;
            tell(privileged_call(failure) || privileged.has_interrupts ? "goes on\n" : "halts\n");
        }
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void panic_in_a_file(void)
{
    platform_panic("some/file.c", 7, "%s of %d", "text", 5);
}

static void fault(void)
{
    const struct trap_frame frame = {.vector = 14, .error = 0x12, .rip = 0x1234, .rbp = 0x5678};

    __asm__ volatile("cli"); /* as the gate of an exception does */
    panic_exception(&frame);
}

static void fail_in_core(void)
{
    panic_initialise();
    core_fail("libc/core/x.c", 3, "a == b");
}

extern uintptr_t __stack_chk_guard;
_Noreturn void __stack_chk_fail(void);

static void return_through_a_damaged_frame(void)
{
    panic_initialise();
    if (__stack_chk_guard == 0x2233445566778800) { /* ends a string, and nobody can guess it */
        __stack_chk_fail();
    }
}

static void what_fails_is_said_before_the_node_is_dead_and_halts(void **state)
{
    (void)state;
    fail_elsewhere(panic_in_a_file, 1);
    assert_string_equal(story, "log 0 panic: node 3: some/file.c:7: text of 5\n"
                               "report no exception, frame pointer there\n"
                               "log 0 panic: node 3 halted\n"
                               "before death\n"
                               "dead\n"
                               "halts\n");
}

static void an_exception_is_said_with_its_number_and_the_thread(void **state)
{
    (void)state;
    thread = "worker";
    fail_elsewhere(fault, 1);
    assert_string_equal(story, "log 0 panic: node 3: exception 14, error code 0x12, thread worker\n"
                               "report exception, frame pointer its own\n"
                               "log 0 panic: node 3 halted\n"
                               "before death\n"
                               "dead\n"
                               "halts\n");
}

/* At boot there is no thread yet, and nobody who knows more. */
static void an_exception_is_said_also_when_nobody_knows_more(void **state)
{
    (void)state;
    trap_errors = NULL;
    panic_before_death = NULL;
    fail_elsewhere(fault, 1);
    assert_string_equal(story, "log 0 panic: node 3: exception 14, error code 0x12\n"
                               "log 0 panic: node 3 halted\n"
                               "dead\n"
                               "halts\n");
}

static void a_failed_assertion_of_the_ground_ends_the_node_too(void **state)
{
    (void)state;
    trap_errors = NULL;
    fail_elsewhere(fail_in_core, 1);
    assert_string_equal(story, "log 0 panic: node 3: libc/core/x.c:3: assertion failed: a == b\n"
                               "log 0 panic: node 3 halted\n"
                               "before death\n"
                               "dead\n"
                               "halts\n");
}

static void a_damaged_stack_frame_ends_the_node(void **state)
{
    (void)state;
    fail_elsewhere(return_through_a_damaged_frame, 1);
    assert_non_null(strstr(story, ": a stack frame was written over\n"
                                  "report no exception, frame pointer there\n"
                                  "log 0 panic: node 3 halted\n"
                                  "before death\n"
                                  "dead\n"
                                  "halts\n"));
}

/* It trusts its log no more, but is dead to the others all the same. */
static void a_failure_inside_a_failure_says_only_where_it_was(void **state)
{
    (void)state;
    inside_report = fault;
    fail_elsewhere(panic_in_a_file, 1);
    assert_string_equal(story, "log 0 panic: node 3: some/file.c:7: text of 5\n"
                               "report no exception, frame pointer there\n"
                               "write through\n"
                               "failed again at the fault\n"
                               "flush\n"
                               "log 0 panic: node 3 halted\n"
                               "before death\n"
                               "dead\n"
                               "halts\n");
}

static void a_panic_inside_an_exception_says_only_where_it_was(void **state)
{
    (void)state;
    inside_report = panic_in_a_file;
    fail_elsewhere(fault, 1);
    assert_string_equal(story, "log 0 panic: node 3: exception 14, error code 0x12\n"
                               "report exception, frame pointer its own\n"
                               "write through\n"
                               "failed again at 0x\n"
                               "flush\n"
                               "log 0 panic: node 3 halted\n"
                               "before death\n"
                               "dead\n"
                               "halts\n");
}

static void a_third_failure_halts_without_a_word(void **state)
{
    (void)state;
    inside_report = fault;
    inside_write = panic_in_a_file;
    fail_elsewhere(panic_in_a_file, 1);
    assert_string_equal(story, "log 0 panic: node 3: some/file.c:7: text of 5\n"
                               "report no exception, frame pointer there\n"
                               "write through\n"
                               "failed again at the fault\n"

                               "halts\n");
}

/* Others stop one that they believe to hang, also when it has ended meanwhile. */
static void a_dead_node_that_is_stopped_says_nothing(void **state)
{
    (void)state;
    trap_errors = NULL;
    fail_elsewhere(fault, 3);
    assert_string_equal(story, "log 0 panic: node 3: exception 14, error code 0x12\n"
                               "log 0 panic: node 3 halted\n"
                               "before death\n"
                               "dead\n"
                               "halts\n"
                               "halts\n"
                               "halts\n");
}

static void leave(void)
{
    tell("leaves\n");
    __asm__ volatile("cli; hlt");
}

/* To where boot builds it again. */
static void a_node_that_is_dead_leaves(void **state)
{
    (void)state;
    trap_errors = NULL;
    trap_leave = leave;
    fail_elsewhere(fault, 2);
    assert_string_equal(story, "log 0 panic: node 3: exception 14, error code 0x12\n"
                               "log 0 panic: node 3 halted\n"
                               "before death\n"
                               "dead\n"
                               "leaves\n"
                               "halts\n"
                               "leaves\n"
                               "halts\n");
}

static void a_node_that_cannot_say_that_it_is_dead_leaves_all_the_same(void **state)
{
    (void)state;
    inside_report = fault;
    inside_write = panic_in_a_file;
    trap_leave = leave;
    fail_elsewhere(panic_in_a_file, 1);
    assert_string_equal(story, "log 0 panic: node 3: some/file.c:7: text of 5\n"
                               "report no exception, frame pointer there\n"
                               "write through\n"
                               "failed again at the fault\n"
                               "leaves\n"
                               "halts\n");
}

/* Whatever a wild store has made of the count: the way out is where nothing can be written. */
static void a_node_that_fails_again_and_again_leaves_each_time(void **state)
{
    const char *at;
    unsigned left_count = 0;

    (void)state;
    trap_errors = NULL;
    trap_leave = leave;
    fail_elsewhere(fault, 9);
    for (at = story; (at = strstr(at, "leaves\n")) != NULL; at++) {
        left_count++;
    }
    assert_int_equal(left_count, 9);
}

/* Others look when they are told, so it has said it before; it says nothing of a failure. */
static void one_that_parks_says_so_and_leaves(void **state)
{
    (void)state;
    assert_false(platform_can_park());
    trap_leave = leave;
    assert_true(platform_can_park());
    fail_elsewhere(platform_park, 1);
    assert_string_equal(story, "state 1\nattention\nleaves\nhalts\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_fails_is_said_before_the_node_is_dead_and_halts),
        TEST(an_exception_is_said_with_its_number_and_the_thread),
        TEST(an_exception_is_said_also_when_nobody_knows_more),
        TEST(a_failed_assertion_of_the_ground_ends_the_node_too),
        TEST(a_damaged_stack_frame_ends_the_node),
        TEST(a_failure_inside_a_failure_says_only_where_it_was),
        TEST(a_panic_inside_an_exception_says_only_where_it_was),
        TEST(a_third_failure_halts_without_a_word),
        TEST(a_dead_node_that_is_stopped_says_nothing),
        TEST(a_node_that_is_dead_leaves),
        TEST(a_node_that_cannot_say_that_it_is_dead_leaves_all_the_same),
        TEST(a_node_that_fails_again_and_again_leaves_each_time),
        TEST(one_that_parks_says_so_and_leaves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
