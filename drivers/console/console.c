/* SPDX-License-Identifier: MIT */
/*
 * Text to the console's devices, and the event loop's part in drawing it.
 */
#include "drivers/console/console.h"

#include <string.h>

#include "drivers/acpi/ioapic.h"
#include "drivers/console/framebuffer.h"
#include "drivers/console/keyboard.h"
#include "drivers/console/log_printer.h"
#include "drivers/console/options.h"
#include "drivers/console/replay.h"
#include "drivers/console/screen.h"
#include "drivers/console/serial.h"
#include "drivers/console/serial_output.h"
#include "drivers/console/succession.h"
#include "drivers/console/vga_text.h"
#include "drivers/vectors.h"
#include "kernel/component.h"
#include "kernel/log.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "kernel/node.h"
#include "kernel/platform.h"
#include "kernel/x86/layout.h"
#include "kernel/x86/paging.h"
#include "libc/core/bits.h"
#include "libc/core/cpu.h"
#include "libc/core/timer.h"

#define ISA_IRQ_KEYBOARD 1

#define MSR_PAT     0x277
#define PAT_ENTRY_1 BITS(15, 8)

/* While there is other work: so many characters, and how long until the next. Chosen: some 130
 * kilobits of pixels, about ten microseconds, one part in a hundred of a busy node's time. */
#define BUSY_CELLS     8u
#define BUSY_PERIOD_NS NS_PER_MS
/* Before sleep: bounds how long a frame that comes meanwhile waits, to some hundred microseconds.
 */
#define IDLE_CELLS     64u

/* A node too busy to take interrupts still hears its keyboard: chosen, too short for a person to
 * notice, and rare enough for a port read to cost nothing. */
#define INPUT_LOOK_NS (10 * NS_PER_MS)

static struct console_options options;
/* How often a successor looks whether the console is free. Chosen: short for a person. */
#define SUCCESSION_LOOK_NS (10 * NS_PER_MS)

static bool has_inherited; /* this node has the console, from its start or from one that died */
static bool is_awaited;    /* this node is the next owner, and the last one still writes */
static struct timer succession_timer;
static bool has_screen;     /* mapped, and drawn by this node */
static bool is_drawn_later; /* by the event loop */
static bool is_line_begun;  /* by an answer or an echo */
static bool is_line_broken; /* by the log, since it was last asked */
static uint64_t next_draw_ns;
static uint64_t next_input_look_ns;
static uint64_t input_interrupts_seen;

static void (*users[CONSOLE_USER_MAX])(bool has_screen);
static unsigned user_count;

/* --- Devices --- */

static void parse_options(void)
{
    console_options_parse(&options, node_info.command_line, &node_info.machine.firmware_console);
}

static uint64_t screen_bytes(void)
{
    const struct framebuffer_info *info = &node_info.framebuffer;

    if (!options.has_screen || info->paddr == 0) {
        return 0;
    }
    return info->is_text ? vga_text_bytes(info) : framebuffer_bytes(info);
}

/* Draw from now on into memory that is mapped there. */
static void open_screen(void *mapped)
{
    const struct framebuffer_info *info = &node_info.framebuffer;
    screen_draw_function draw = info->is_text ? vga_text_draw : framebuffer_draw;

    ASSERT(mapped != NULL && screen_bytes() != 0);
    if (info->is_text) {
        has_screen = vga_text_open(info, mapped);
        vga_text_hide_cursor();
    } else {
        has_screen = framebuffer_open(info, mapped);
    }
    if (has_screen && screen.columns != 0) {
        screen_resume(draw);
    } else if (has_screen) {
        screen_initialise(info->is_text ? info->width : framebuffer_columns(),
                          info->is_text ? info->height : framebuffer_rows(), draw);
    }
}

/* Find the console's devices and set them up. */
static void find_devices(void)
{
    struct framebuffer_info *info = &node_info.framebuffer;

    parse_options();
    /* Without a port the log goes nowhere else, and the system works all the same. */
    (void)serial_initialise(&options.serial);
    if (options.has_screen && info->paddr == 0) {
        (void)vga_text_detect(info,
                              (uint8_t *)node_info.map.direct_map); /* else there is no screen */
    }
    uint64_t bytes = screen_bytes();

    if (bytes != 0 && bytes <= BOOT_MAPPED_BYTES && info->paddr <= BOOT_MAPPED_BYTES - bytes) {
        open_screen((void *)(node_info.map.direct_map + info->paddr));
    }
}

/* Firmware's serial console, if the command line names none. */
static void use_firmware_port(void)
{
    struct serial_port *firmware = &node_info.machine.firmware_console;
    struct serial_port before = options.serial;

    parse_options();
    if (before.port == options.serial.port && before.baud == options.serial.baud) {
        return;
    }
    if (!serial_initialise(&options.serial)) {
        uint16_t absent_port = firmware->port;

        *firmware = (struct serial_port){0}; /* for the nodes, too */
        parse_options();
        (void)serial_initialise(&options.serial); /* as in find_devices() */
        log_warning("console", "no serial port at %#x, which firmware names", absent_port);
    }
}

/* The devices as they have been set up. */
static void attach(void)
{
    parse_options();
    serial_attach(&options.serial);
}

/* Entry 1 of the page attribute table, write-through at reset, becomes write-combining (SDM 3A
 * 11.12.4). Nothing else selects it. */
static void enable_write_combining(void)
{
    const uint64_t write_combining = 1;

    cpu_write_msr(MSR_PAT, (cpu_read_msr(MSR_PAT) & ~PAT_ENTRY_1) |
                               FIELD_PREP(PAT_ENTRY_1, write_combining));
}

static void map_screen(void)
{
    uint64_t bytes = screen_bytes();
    void *mapped;

    if (bytes == 0) {
        return;
    }
    enable_write_combining();
    mapped = paging_map_screen(node_info.framebuffer.paddr, bytes);
    if (mapped != NULL) {
        open_screen(mapped);
    } else {
        log_warning("console", "the screen at %#lx cannot be mapped", node_info.framebuffer.paddr);
    }
}

/* --- The event loop --- */

/* Apart from its caller, which mostly has nothing to do. */
static __attribute__((noinline)) void put_out(uint64_t now_ns)
{
    if (serial_output_is_busy) {
        serial_output_poll(now_ns);
    }
    if (has_screen && screen_is_dirty() && now_ns >= next_draw_ns) {
        next_draw_ns = now_ns + BUSY_PERIOD_NS;
        (void)screen_draw(BUSY_CELLS);
    }
}

/* Returns no work, so the node may sleep: prepare_sleep() sends out what is left. */
static unsigned poll_output(void *context)
{
    (void)context;
    if (UNLIKELY(serial_output_is_busy || (has_screen && screen_is_dirty()))) {
        put_out(dispatch_now_ns());
    }
    return 0;
}

static bool prepare_sleep(void *context)
{
    bool has_work = serial_output_is_busy && serial_output_prepare_sleep();

    (void)context;
    if (has_screen) {
        has_work |= screen_is_dirty() && screen_draw(IDLE_CELLS);
    }
    return has_work;
}

/* Where it cannot be routed, what is typed is noticed when the node is awake. */
static bool route_interrupt(uint8_t isa_irq, uint8_t vector)
{
    return ioapic_route(&node_info.machine.isa_irqs[isa_irq], interrupt_apic_id(node_info.node),
                        vector);
}

static void start_serial(void)
{
    bool has_interrupt = options.serial.isa_irq != 0 &&
                         route_interrupt(options.serial.isa_irq, INTERRUPT_VECTOR_SERIAL);

    if (has_interrupt) {
        serial_enable_interrupts(true, false);
    }
    serial_output_start(has_interrupt);
}

/* From now on text goes out when there is time, and what is typed wakes the node. */
static void start(void)
{
    static struct dispatch_source source = {
        .poll = poll_output,
        .prepare_sleep = prepare_sleep,
    };

    start_serial();
    dispatch_register_source(&source);
    /* Whoever has a screen may have a keyboard. */
    if (has_screen && !node_info.machine.has_no_i8042 && keyboard_initialise()) {
        (void)route_interrupt(ISA_IRQ_KEYBOARD, INTERRUPT_VECTOR_KEYBOARD);
    }
    is_drawn_later = has_screen;
    for (unsigned i = 0; i < user_count; i++) {
        users[i](has_screen);
    }
}

/* The console's owner before has died and let go: the screen begins with what is left of the log.
 */
static void take_over(void)
{
    is_awaited = false;
    map_screen();
    if (has_screen) {
        is_drawn_later = true;
        console_replay(screen.rows, screen_write);
    }
    start();
}

void console_register_user(void (*user)(bool has_screen))
{
    ASSERT(user != NULL && user_count < CONSOLE_USER_MAX);
    users[user_count++] = user;
}

/* --- Text --- */

static void write_screen(const char *text, size_t bytes)
{
    if (has_screen) {
        screen_write(text, bytes);
        if (!is_drawn_later) {
            screen_draw_text();
        }
    }
}

void console_write(const char *text, size_t bytes)
{
    if (UNLIKELY(is_line_begun)) {
        is_line_begun = false;
        is_line_broken = true;
        console_write("\n", 1);
    }
    serial_output_write(text, bytes);
    write_screen(text, bytes);
}

void console_answer(const char *text, size_t bytes)
{
    if (bytes > 0) {
        is_line_begun = text[bytes - 1] != '\n';
    }
    serial_output_answer(text, bytes);
    write_screen(text, bytes);
}

bool console_has_room(void)
{
    return serial_output_has_room();
}

void console_write_through(void)
{
    serial_output_write_through();
}

void console_flush(void)
{
    console_write_through();
    if (has_screen) {
        screen_draw_text();
    }
}

bool console_notice_input(uint64_t now_ns)
{
    uint64_t interrupts =
        interrupt_count(INTERRUPT_VECTOR_SERIAL) + interrupt_count(INTERRUPT_VECTOR_KEYBOARD);

    if (LIKELY(interrupts == input_interrupts_seen && now_ns < next_input_look_ns &&
               !is_line_broken)) {
        return false;
    }
    input_interrupts_seen = interrupts;
    next_input_look_ns = now_ns + INPUT_LOOK_NS;
    return true;
}

int console_read(void)
{
    int character = serial_read();

    return character >= 0 ? character : keyboard_read();
}

bool console_take_interruption(void)
{
    bool was_broken = is_line_broken;

    is_line_broken = false;
    return was_broken;
}

/* --- The console's part in the start of machine and nodes --- */

/* Lines wait in the log rings while a dead owner still writes. */
static unsigned print(void)
{
    if (UNLIKELY(status_is_holding_console(node_info.node))) {
        succession_wait_for_lower();
    } else if (is_awaited || succession_is_held()) {
        return 0;
    }
    return log_printer_print();
}

static void register_console(void)
{
    static const struct platform_console console = {
        .print = print,
        .write = console_write,
        .write_through = console_write_through,
        .flush = console_flush,
    };

    log_printer_start();
    platform_console = &console;
}

static void boot_first(void)
{
    find_devices();
    register_console();
}

static void node_first(void)
{
    attach();
    register_console();
}

static void node_memory(void)
{
    if (log_is_console_owner()) {
        map_screen();
    }
}

/* Take over once nobody holds the console any more: until then look again now and then. */
static void take_over_when_free(struct timer *expired)
{
    (void)expired;
    if (succession_is_held() &&
        timer_start(&succession_timer, platform_now_ns() + SUCCESSION_LOOK_NS) == 0) {
        return;
    }
    take_over();
    (void)print(); /* what has been logged meanwhile */
}

/* Another node has died: perhaps the one that had the console, and this one is the next. */
static void inherit(node_id_t dead_node)
{
    (void)dead_node;
    if (!has_inherited && log_console_owner() == node_info.node) {
        has_inherited = true;
        is_awaited = true;
        timer_initialise(&succession_timer, take_over_when_free);
        take_over_when_free(&succession_timer);
    }
}

static void node_ready(void)
{
    dispatch_register_node_down(inherit);
    if (log_is_console_owner()) {
        has_inherited = true;
        (void)console_options_report(node_info.command_line); /* it has logged each */
        start();
    }
}

static const struct component console_component = {
    .steps =
        {
            [BOOT_FIRST] = boot_first,
            [BOOT_MEMORY] = map_screen,
            [BOOT_TABLES] = use_firmware_port,
            [NODE_FIRST] = node_first,
            [NODE_MEMORY] = node_memory,
            [NODE_READY] = node_ready,
        },
};
COMPONENT(console_component);
