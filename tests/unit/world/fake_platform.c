/* SPDX-License-Identifier: MIT */
/* platform.h for unit tests: see fake_platform.h. */
#include "tests/unit/world/fake_platform.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/message/channel.h"
#include "kernel/platform.h"
#include "tests/unit/world/fake_memory.h"

#define FAKE_RING_BYTES CHANNEL_RING_MIN_BYTES
#define CONSOLE_BYTES   (64 * KIB)

/* The far ends of this node's channels: where the test stands. */
struct far_end {
    struct channel_sender sender;     /* to this node */
    struct channel_receiver receiver; /* from this node */
    bool is_reading;                  /* a message has been taken and is still in place */
};

static node_id_t this_node;
static unsigned node_count;
static const char *command_line;
static uint64_t now_ns;
static uint64_t clock_step_ns;
static uint64_t standstill_ns;
static struct status_page *status_pages[NODE_MAX];
static uint8_t *rings[NODE_MAX]; /* of channels from this node, in the others' memory */
static bool is_attached[NODE_MAX];
static void *made_rings[NODE_MAX]; /* in this node's memory */
struct fake_rings fake_rings;
static struct far_end far_ends[NODE_MAX];
static unsigned doorbells[NODE_MAX];
static unsigned news[NODE_MAX];
static unsigned stops[NODE_MAX];
static unsigned resets[NODE_MAX];
static uint64_t own_attention_count;
static unsigned sleep_count;
static uint64_t last_deadline_ns;
static void (*on_sleep)(void);
static void (*before_flag)(void);
static void (*behind_flag)(void);
static bool is_rung; /* an interrupt is pending: the next sleep ends at once */
static char console[CONSOLE_BYTES];
static size_t console_length;
static uint32_t own_printed;
static uint64_t random_state;
static int allocations_left;
static uint64_t free_memory_bytes;

/* --- For the test --- */

static void *fresh_pages(void *old, size_t bytes)
{
    free(old);
    void *pages = aligned_alloc(PAGE_BYTES, bytes);

    assert_non_null(pages);
    memset(pages, 0, bytes);
    return pages;
}

static unsigned print_own(void);

static const struct platform_console own_console = {
    .print = print_own,
    .write = fake_console_write,
};
const struct platform_console *platform_console = &own_console;

void fake_platform_reset(node_id_t node, unsigned count)
{
    assert_true(count >= 1 && count <= NODE_MAX && node < count);
    this_node = node;
    node_count = count;
    command_line = "";
    now_ns = 0;
    clock_step_ns = 0;
    standstill_ns = 0;
    sleep_count = 0;
    last_deadline_ns = 0;
    on_sleep = NULL;
    before_flag = behind_flag = NULL;
    is_rung = false;
    console_length = 0;
    console[0] = '\0';
    platform_console = &own_console;
    own_printed = 0;
    random_state = 1;
    free_memory_bytes = UINT64_MAX;
    allocations_left = -1;
    memset(doorbells, 0, sizeof(doorbells));
    memset(news, 0, sizeof(news));
    memset(stops, 0, sizeof(stops));
    memset(resets, 0, sizeof(resets));

    for (unsigned i = 0; i < count; i++) {
        status_pages[i] = fresh_pages(status_pages[i], STATUS_PAGE_BYTES(count));
        status_pages[i]->state = NODE_RUNNING;
        status_pages[i]->incarnation = 1; /* as boot counts: what is let go of differs from none */
    }
    while (fake_rings.made_count > 0) {
        free(made_rings[--fake_rings.made_count]);
    }
    fake_rings = (struct fake_rings){.longest_bytes = SIZE_MAX};
    for (unsigned i = 0; i < count; i++) {
        is_attached[i] = false;
        channel_sender_close(&far_ends[i].sender);
        if (i != node) {
            fake_open_ring((node_id_t)i);
        }
    }
    status_initialise();
}

void fake_open_ring(node_id_t to)
{
    struct far_end *far_end = &far_ends[to];

    rings[to] = fresh_pages(rings[to], FAKE_RING_BYTES);
    channel_receiver_initialise(&far_end->receiver, rings[to], FAKE_RING_BYTES,
                                &status_pages[to]->for_nodes[this_node].acknowledged_lines,
                                channel_first_line(this_node, to));
    far_end->is_reading = false;
    status_pages[to]->for_nodes[this_node].channel_ring =
        (uintptr_t)rings[to] | (unsigned)__builtin_ctzll(FAKE_RING_BYTES);
}

void fake_close_ring(node_id_t to)
{
    status_pages[to]->for_nodes[this_node].channel_ring = 0;
    channel_sender_close(&far_ends[to].sender);
}

/* Only tests with a dispatcher deliver anything. */
void opening_look_at(node_id_t from) __attribute__((weak));
void peers_look_at_quiet(void) __attribute__((weak));

void *fake_ring(node_id_t from, size_t *bytes)
{
    struct channel_sender *sender = &far_ends[from].sender;

    if (!channel_sender_is_open(sender)) {
        status_pages[from]->for_nodes[this_node].is_channel_requested = 1;
        opening_look_at(from);
        uint64_t ring = status_pages[this_node]->for_nodes[from].channel_ring;

        assert_true(ring != 0);
        const uint32_t *progress = &status_pages[this_node]->for_nodes[from].acknowledged_lines;

        channel_sender_initialise(sender, (void *)(ring & ~(uint64_t)(PAGE_BYTES - 1)),
                                  (size_t)1 << ring % PAGE_BYTES, progress, *progress);
    }
    *bytes = (size_t)sender->line_count * CHANNEL_LINE_BYTES;
    return sender->ring;
}

bool fake_is_attached(node_id_t to)
{
    return is_attached[to];
}

void fake_set_command_line(const char *line)
{
    command_line = line;
}

void fake_set_now_ns(uint64_t new_now_ns)
{
    assert_true(new_now_ns >= now_ns);
    now_ns = new_now_ns;
}

void fake_advance_ns(uint64_t step_ns)
{
    now_ns += step_ns;
}

void fake_set_standstill_ns(uint64_t new_standstill_ns)
{
    standstill_ns = new_standstill_ns;
}

void fake_set_clock_step_ns(uint64_t step_ns)
{
    clock_step_ns = step_ns;
}

struct status_page *fake_status_page(node_id_t node)
{
    assert_true(node < node_count);
    return status_pages[node];
}

void fake_send_attention(void)
{
    own_attention_count++;
    is_rung = true;
}

void fake_set_node_state(node_id_t node, enum node_state state)
{
    fake_status_page(node)->state = state;
    if (state == NODE_DEAD) {
        fake_send_attention();
    }
}

void fake_deliver(node_id_t from, const struct message_header *message)
{
    size_t bytes;

    assert_true(from < node_count && from != this_node);
    (void)fake_ring(from, &bytes);
    assert_int_equal(
        channel_send(&far_ends[from].sender, CONTAINER_OF(message, const struct message, header)),
        0);
    is_rung |= status_pages[this_node]->sleep != NODE_AWAKE; /* as its dispatcher would */
    if ((status_pages[this_node]->quiet[from / 32] >> from % 32 & 1) != 0 &&
        !fake_rings.is_quiet_left_alone) {
        peers_look_at_quiet(); /* as if the node took the sender's interrupt at once */
    }
}

void fake_deliver_payload(node_id_t from, struct message_header *message, size_t header_bytes,
                          const void *payload, size_t payload_bytes)
{
    uint8_t whole[MESSAGE_MAX_BYTES] __attribute__((aligned(8)));

    assert_true(header_bytes + payload_bytes <= sizeof(whole));
    message->length_bytes = (uint16_t)(header_bytes + payload_bytes);
    memcpy(whole, message, header_bytes);
    if (payload_bytes > 0) {
        memcpy(whole + header_bytes, payload, payload_bytes);
    }
    fake_deliver(from, (const struct message_header *)whole);
}

const struct message *fake_take_message(node_id_t to)
{
    assert_true(to < node_count && to != this_node);
    struct far_end *far_end = &far_ends[to];

    if (far_end->is_reading) {
        channel_release(&far_end->receiver);
    }
    struct channel_line line;
    const struct message *message = (const void *)channel_receive(&far_end->receiver, &line);

    far_end->is_reading = message != NULL;
    return message;
}

const void *fake_expect_message(node_id_t to, uint16_t type)
{
    const struct message *message = fake_take_message(to);

    assert_non_null(message);
    assert_int_equal(message->header.type, type);
    return message;
}

void fake_expect_no_message(node_id_t to)
{
    const struct message *message = fake_take_message(to);

    if (message != NULL) {
        fail_msg("a message of type %u was sent to node%u", message->header.type, to);
    }
}

unsigned fake_doorbells(node_id_t node)
{
    return doorbells[node];
}

unsigned fake_attentions(node_id_t node)
{
    return news[node];
}

unsigned fake_stops(node_id_t node)
{
    return stops[node];
}

unsigned fake_resets(node_id_t node)
{
    return resets[node];
}

unsigned fake_sleeps(void)
{
    return sleep_count;
}

uint64_t fake_last_sleep_deadline_ns(void)
{
    return last_deadline_ns;
}

void fake_on_sleep(void (*sleeping)(void))
{
    on_sleep = sleeping;
}

void fake_at_sleep_flag(void (*before)(void), void (*behind)(void))
{
    before_flag = before;
    behind_flag = behind;
}

static void call_once(void (**function)(void))
{
    void (*called)(void) = *function;

    *function = NULL;
    if (called != NULL) {
        called();
    }
}

/* The linker puts it in between: see tests.mk. */
void __real_status_set_sleep(enum node_sleep sleep);
void __wrap_status_set_sleep(enum node_sleep sleep);

void __wrap_status_set_sleep(enum node_sleep sleep)
{
    if (sleep == NODE_AWAKE) {
        __real_status_set_sleep(sleep);
        return;
    }
    call_once(&before_flag);
    __real_status_set_sleep(sleep);
    call_once(&behind_flag);
}

const char *fake_console(void)
{
    return console;
}

void fake_fail_allocations_after(int count)
{
    allocations_left = count;
}

bool fake_allocation_fails(void)
{
    if (allocations_left == 0) {
        return true;
    }
    if (allocations_left > 0) {
        allocations_left--;
    }
    return false;
}

/* --- For the node under test --- */

node_id_t platform_node(void)
{
    return this_node;
}

unsigned platform_node_count(void)
{
    return node_count;
}

const char *platform_command_line(void)
{
    return command_line;
}

uint64_t platform_now_ns(void)
{
    now_ns += clock_step_ns;
    return now_ns;
}

uint64_t platform_standstill_ns(void)
{
    return standstill_ns;
}

uint64_t platform_boot_epoch_s(void)
{
    return 1000000000;
}

struct status_page *platform_status_page(node_id_t node)
{
    assert_true(node < node_count);
    return status_pages[node];
}

const void *platform_ring_create(node_id_t from, size_t bytes)
{
    assert_true(from < node_count && from != this_node);
    assert_true(channel_is_ring_size(bytes));
    if (bytes > fake_rings.longest_bytes) {
        return NULL;
    }
    assert_true(fake_rings.made_count < NODE_MAX);
    return made_rings[fake_rings.made_count++] = fresh_pages(NULL, bytes);
}

uint64_t platform_ring_place(const void *ring)
{
    return (uintptr_t)ring;
}

void *platform_ring_attach(node_id_t to, uint64_t place, size_t bytes)
{
    assert_true(to < node_count && to != this_node && !is_attached[to]);
    if (place != (uintptr_t)rings[to] || bytes > FAKE_RING_BYTES) {
        return NULL;
    }
    is_attached[to] = true;
    return rings[to];
}

void platform_ring_detach(node_id_t to, size_t bytes)
{
    assert_true(is_attached[to] && bytes <= FAKE_RING_BYTES);
    is_attached[to] = false;
}

void platform_ring_doorbell(node_id_t node)
{
    assert_true(node < node_count && node != this_node);
    doorbells[node]++;
}

void platform_send_attention(node_id_t node)
{
    assert_true(node < node_count && node != this_node);
    news[node]++;
}

void platform_stop_node(node_id_t node, bool by_reset)
{
    assert_true(node < node_count && node != this_node);
    (by_reset ? resets : stops)[node]++;
}

uint64_t platform_attention_count(void)
{
    return own_attention_count;
}

bool platform_sleep(uint64_t deadline_ns, uint64_t *until_ns)
{
    last_deadline_ns = deadline_ns;
    if (deadline_ns <= now_ns) {
        return true;
    }
    if (is_rung) {
        is_rung = false;
        return false;
    }
    sleep_count++;
    if (on_sleep != NULL) {
        on_sleep();
    } else if (deadline_ns == UINT64_MAX) {
        fail_msg("the node sleeps for ever");
    }
    bool was_rung = is_rung;
    is_rung = false; /* what rang meanwhile has ended it */
    if (deadline_ns != UINT64_MAX && deadline_ns > now_ns) {
        now_ns = deadline_ns;
    }
    *until_ns = platform_now_ns();
    return !was_rung && deadline_ns != UINT64_MAX;
}

uint64_t platform_free_memory_bytes(void)
{
    return free_memory_bytes;
}

void fake_set_free_memory_bytes(uint64_t bytes)
{
    free_memory_bytes = bytes;
}

void *platform_allocate_stack(void)
{
    if (fake_allocation_fails()) {
        return NULL;
    }
    /* Aligned to its size, as thread_sanitizer.c likes it. */
    void *stack = aligned_alloc(THREAD_STACK_BYTES, THREAD_STACK_BYTES);

    assert_non_null(stack);
    return memset(stack, 0, THREAD_STACK_BYTES);
}

bus_addr_t platform_bus_addr(const void *vaddr)
{
    return (uintptr_t)vaddr;
}

static const void *hidden_byte;

void fake_hide_bus_addr(const void *vaddr)
{
    hidden_byte = vaddr;
}

bus_addr_t platform_bus_addr_at_once(const void *vaddr)
{
    return vaddr == hidden_byte ? BUS_ADDR_NONE : platform_bus_addr(vaddr);
}

const struct platform_module *platform_module(unsigned index)
{
    (void)index;
    return NULL;
}

static const void *archive_start;
static size_t archive_bytes;

void fake_set_archive(const void *start, size_t bytes)
{
    archive_start = start;
    archive_bytes = bytes;
}

const void *platform_archive_start(void)
{
    return archive_start;
}

size_t platform_archive_bytes(void)
{
    return archive_bytes;
}

/* This node's own lines, as far as none was overwritten. */
static unsigned print_own(void)
{
    const struct status_page *page = status_pages[this_node];
    unsigned line_count = 0;

    for (; own_printed != page->log_written; own_printed++) {
        char character = page->log[own_printed % STATUS_LOG_BYTES];

        fake_console_write(&character, 1);
        line_count += character == '\n';
    }
    return line_count;
}

void fake_console_write(const char *text, size_t length_bytes)
{
    size_t room = sizeof(console) - 1 - console_length;
    size_t taken = length_bytes < room ? length_bytes : room;

    memcpy(console + console_length, text, taken);
    console_length += taken;
    console[console_length] = '\0';
}

/* Repeatable: the same numbers after each reset (the 64-bit generator of Knuth's MMIX). */
uint64_t platform_random(void)
{
    random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
    return random_state ^ random_state >> 33;
}

void platform_panic(const char *file, int line, const char *format, ...)
{
    static char text[256]; /* read after the jump out of here */
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    /* Goes back to expect_assert_failure(), or fails the test. */
    mock_assert(false, text, file, line);
    abort();
}

void platform_halt(void)
{
    fail_msg("halted");
    abort();
}
