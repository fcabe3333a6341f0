/* SPDX-License-Identifier: MIT */
/*
 * drivers/console/console.h over standard input and output. There is no screen. The node that owns
 * the console (kernel/log.h) reads what is typed; when it has died, the next one does.
 */
#include "drivers/console/console.h"
#include "drivers/console/log_printer.h"
#include "kernel/component.h"
#include "kernel/hosted/hosted.h"
#include "kernel/log.h"
#include "kernel/message/dispatch.h"
#include "kernel/platform.h"
#include "kernel/x86/interrupt.h"

/* A node too busy to sleep still looks whether something has been typed. As drivers/console/. */
#define INPUT_LOOK_NS (10 * NS_PER_MS)

static void (*users[CONSOLE_USER_MAX])(bool has_screen);
static unsigned user_count;
static bool is_line_begun;  /* by an answer or an echo */
static bool is_line_broken; /* by the log, since it was last asked */
static uint8_t input_vector;
static uint64_t interrupts_seen;
static uint64_t next_look_ns;

void console_register_user(void (*start)(bool has_screen))
{
    ASSERT(user_count < CONSOLE_USER_MAX);
    users[user_count++] = start;
}

void console_write(const char *text, size_t bytes)
{
    if (is_line_begun) {
        linux_write_console("\n", 1);
        is_line_begun = false;
        is_line_broken = true;
    }
    linux_write_console(text, bytes);
}

void console_answer(const char *text, size_t bytes)
{
    if (bytes > 0) {
        linux_write_console(text, bytes);
        is_line_begun = text[bytes - 1] != '\n';
    }
}

bool console_has_room(void)
{
    return true; /* linux_write_console() waits */
}

void console_write_through(void)
{
}

void console_flush(void)
{
}

bool console_notice_input(uint64_t now_ns)
{
    uint64_t interrupts = interrupt_count(input_vector);

    if (LIKELY(interrupts == interrupts_seen && now_ns < next_look_ns && !is_line_broken)) {
        return false;
    }
    interrupts_seen = interrupts;
    next_look_ns = now_ns + INPUT_LOOK_NS;
    return true;
}

int console_read(void)
{
    return linux_read_console();
}

bool console_take_interruption(void)
{
    bool was_broken = is_line_broken;

    is_line_broken = false;
    return was_broken;
}

/* --- The console's part in the start of a node --- */

static void start(void)
{
    int file = linux_console_file();

    if (file >= 0) {
        input_vector = hosted_watch(file);
    }
    for (unsigned i = 0; i < user_count; i++) {
        users[i](false);
    }
}

/* Another node has died: perhaps the one that had the console, and this one is the next. */
static void inherit(node_id_t dead_node)
{
    static bool has_inherited;

    (void)dead_node;
    if (platform_node() != 0 && !has_inherited && log_is_console_owner()) {
        has_inherited = true;
        start();
    }
}

static void node_first(void)
{
    static const struct platform_console console = {
        .print = log_printer_print,
        .write = console_write,
        .write_through = console_write_through,
        .flush = console_flush,
    };

    log_printer_start();
    platform_console = &console;
}

static void node_ready(void)
{
    dispatch_register_node_down(inherit);
    if (platform_node() == 0) {
        start();
    }
}

static const struct component terminal_component = {
    .steps = {[NODE_FIRST] = node_first, [NODE_READY] = node_ready},
};
COMPONENT(terminal_component);
