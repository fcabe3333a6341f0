/* SPDX-License-Identifier: MIT */
/*
 * A queue that is recorded has operations of ours, which call its driver's. What comes in has the
 * time at which it was taken from the card, one for all that was taken together; what goes out that
 * at which the driver is given it, and is as the driver gets it: checksums are not inserted, and
 * what the card will cut is whole.
 *
 * Only this node touches its ring, between two handlers' turns never in part: so what is copied
 * from there into a message is a whole frame.
 */
#include "net/link/capture.h"

#include <errno.h>
#include <string.h>

#include "drivers/nic/frame.h"
#include "drivers/nic/nic.h"
#include "kernel/log.h"
#include "kernel/message/send.h"
#include "kernel/platform.h"
#include "libc/core/command_line.h"
#include "libc/core/memory.h"
#include "net/capture/filter.h"
#include "net/configuration.h"
#include "net/handlers.h"
#include "net/link/capture_ring.h"
#include "net/messages.h"
#include "net/watching_counters.h"

MEMORY_KIND(ring_kind, "capture_ring");

/* Queues of one node: its own, and that for SYNs. */
#define TAP_MAX 8u

/* Frames looked at for one request: some 20 us in which nothing else is done. Chosen. */
#define LOOK_MAX 1024u

/* First its operations, by which a queue leads here. */
struct tap {
    struct nic_queue_operations operations;
    const struct nic_queue_operations *driver;
};

static struct capture_filter filter;
static struct capture_ring ring;
static bool has_ring;
static uint64_t seen_count;
static struct tap taps[TAP_MAX];
static unsigned tap_count;

/* One clock for all nodes, as near as it can be had. */
static uint64_t now(void)
{
    return platform_now_ns() + platform_standstill_ns();
}

/* --- Recording --- */

/* The first bytes in one piece: where they lie if they do, else copied. */
static const uint8_t *look(const struct frame_fragment *fragments, unsigned fragment_count,
                           uint8_t copy[CAPTURE_LOOK_BYTES], size_t *bytes)
{
    size_t copied_bytes = 0;

    if (fragment_count == 1 || fragments[0].length_bytes >= CAPTURE_LOOK_BYTES) {
        *bytes = fragments[0].length_bytes;
        return fragments[0].data;
    }
    for (unsigned i = 0; i < fragment_count && copied_bytes < CAPTURE_LOOK_BYTES; i++) {
        size_t room = CAPTURE_LOOK_BYTES - copied_bytes;
        size_t part = fragments[i].length_bytes < room ? fragments[i].length_bytes : room;

        memcpy(copy + copied_bytes, fragments[i].data, part);
        copied_bytes += part;
    }
    *bytes = copied_bytes;
    return copy;
}

/* Returns whether it is kept. */
static bool record(uint64_t time_ns, unsigned direction, uint32_t original_bytes,
                   const struct frame_fragment *fragments, unsigned fragment_count)
{
    uint8_t copy[CAPTURE_LOOK_BYTES];
    size_t bytes;
    const uint8_t *start = look(fragments, fragment_count, copy, &bytes);

    if (!capture_filter_wants(&filter, direction, start, bytes)) {
        return false;
    }
    capture_ring_add(
        &ring, time_ns, direction, original_bytes,
        (uint16_t)(original_bytes < filter.snap_bytes ? original_bytes : filter.snap_bytes),
        fragments, fragment_count);
    return true;
}

static void count(bool is_recorded, unsigned counter)
{
    seen_count++;
    counter_increment(is_recorded ? counter : COUNTER_CAPTURE_FILTERED);
}

static const struct nic_queue_operations *driver_of(const struct nic_queue *queue)
{
    return ((const struct tap *)queue->operations)->driver;
}

static unsigned receive(struct nic_queue *queue, struct frame **frames, unsigned frame_max)
{
    unsigned frame_count = driver_of(queue)->receive(queue, frames, frame_max);
    uint64_t time_ns = frame_count != 0 ? now() : 0;

    for (unsigned i = 0; i < frame_count; i++) {
        const struct frame_fragment whole = {frames[i]->data, frames[i]->length_bytes};

        count(record(time_ns, CAPTURE_IN, whole.length_bytes, &whole, 1), COUNTER_CAPTURE_IN);
    }
    return frame_count;
}

/* Before the driver has it, which may give it back to its owner at once; and as if it had never
 * been there when the driver does not take it. */
static int transmit(struct nic_queue *queue, const struct frame_to_send *frame)
{
    bool is_recorded =
        record(now(), CAPTURE_OUT, frame->length_bytes, frame->fragments, frame->fragment_count);
    int result = driver_of(queue)->transmit(queue, frame);

    if (result == 0) {
        count(is_recorded, COUNTER_CAPTURE_OUT);
    } else if (is_recorded) {
        capture_ring_take_back(&ring);
    }
    return result;
}

void link_capture_tap(struct nic_queue *queue)
{
    struct tap *tap = &taps[tap_count];

    if (!has_ring || queue == NULL) {
        return;
    }
    if (tap_count == TAP_MAX) {
        log_warning("ls", "capture=: one queue more than %u is not recorded", TAP_MAX);
        return;
    }
    tap_count++;
    tap->driver = queue->operations;
    tap->operations = *tap->driver;
    tap->operations.receive = receive;
    tap->operations.transmit = transmit;
    queue->operations = &tap->operations;
}

/* --- Telling --- */

/* Returns false without room in the channel: it is asked for again. */
static bool tell_frame(node_id_t to, const struct capture_read *request, uint64_t number,
                       const struct capture_entry *entry, size_t bytes)
{
    struct captured_frame *message =
        message_reserve_payload(to, CAPTURED_FRAME, sizeof(*message), bytes);

    if (message == NULL) {
        return false;
    }
    message->time_ns = entry->time_ns;
    message->number = number;
    message->request_number = request->request_number;
    message->original_bytes = entry->original_bytes;
    message->direction = entry->direction;
    capture_ring_copy(&ring, entry, (uint8_t *)(message + 1), bytes);
    message_publish();
    return true;
}

static bool is_wanted(const struct capture_filter *wanted, const struct capture_peer *peer,
                      const struct capture_entry *entry)
{
    uint8_t start[CAPTURE_LOOK_BYTES];
    size_t bytes = entry->captured_bytes < sizeof(start) ? entry->captured_bytes : sizeof(start);

    capture_ring_copy(&ring, entry, start, bytes);
    return capture_filter_wants(wanted, entry->direction, start, bytes) &&
           !capture_is_of_peer(peer, entry->direction, start, bytes);
}

/* Returns the number to go on with. */
static uint64_t tell_frames(node_id_t to, const struct capture_read *request,
                            const struct capture_filter *wanted, uint64_t number)
{
    const struct capture_peer peer = {request->peer_address, request->peer_port};
    uint32_t room_bytes = request->room_bytes;

    for (unsigned looked = 0; looked < LOOK_MAX; looked++, number++) {
        const struct capture_entry *entry = capture_ring_find(&ring, number);
        size_t bytes;

        if (entry == NULL || entry->time_ns > request->until_ns) {
            break;
        }
        if (!is_wanted(wanted, &peer, entry)) {
            continue;
        }
        bytes =
            entry->captured_bytes < wanted->snap_bytes ? entry->captured_bytes : wanted->snap_bytes;
        if (CAPTURE_FRAME_ROOM(bytes) > room_bytes ||
            !tell_frame(to, request, number, entry, bytes)) {
            break;
        }
        room_bytes -= (uint32_t)CAPTURE_FRAME_ROOM(bytes);
    }
    return number;
}

static void tell_end(node_id_t to, const struct capture_read *request, uint64_t next_number,
                     uint64_t lost_count)
{
    const struct capture_entry *next = capture_ring_find(&ring, next_number);
    struct capture_told *message = message_reserve_posted(to, CAPTURE_TOLD, sizeof(*message));

    message->next_number = next_number;
    message->complete_ns = next != NULL ? next->time_ns : now();
    message->seen_count = seen_count;
    message->recorded_count = ring.next;
    message->lost_count = lost_count;
    message->request_number = request->request_number;
    message_publish();
}

static struct capture_filter filter_of(const struct capture_read *request)
{
    return (struct capture_filter){.host = request->host,
                                   .port = request->port,
                                   .snap_bytes = request->snap_bytes,
                                   .protocols = request->protocols,
                                   .directions = request->directions};
}

static void handle_capture_read(node_id_t from, const struct message *raw)
{
    const struct capture_read *request = (const struct capture_read *)raw;
    const struct capture_filter wanted = filter_of(request);
    uint64_t number = request->first_number;
    uint64_t lost_count = 0;

    if (!capture_filter_is_valid(&wanted) || number > ring.next ||
        request->room_bytes < CAPTURE_FRAME_ROOM(wanted.snap_bytes) ||
        request->room_bytes > CAPTURE_ROOM_MAX_BYTES) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        return;
    }
    if (number < ring.first) {
        lost_count = ring.first - number;
        number = ring.first;
        /* One that begins asks from the first one ever. */
        counter_add(COUNTER_CAPTURE_LOST, request->first_number != 0 ? lost_count : 0);
    }
    tell_end(from, request, tell_frames(from, request, &wanted, number), lost_count);
}

/* --- Start --- */

static bool make_ring(uint64_t byte_count)
{
    size_t memory_bytes = CAPTURE_RING_MEMORY_BYTES(byte_count);
    void *memory =
        memory_allocate_pages(&ring_kind, ALIGN_UP(memory_bytes, (size_t)PAGE_BYTES) / PAGE_BYTES);

    if (memory == NULL) {
        log_warning("ls", "capture=: no memory for %llu KiB: nothing is recorded here",
                    (unsigned long long)(memory_bytes / KIB));
        return false;
    }
    capture_ring_initialise(&ring, memory, byte_count);
    return true;
}

/* Whoever has frames of other people looked at should know. */
static void announce(const struct capture_words *words)
{
    char text[CAPTURE_FILTER_TEXT_BYTES];

    capture_filter_print(&words->filter, text);
    log_warning("ls",
                "capture=: frames are recorded, and shown to whoever asks for /capture: %s; "
                "%llu KiB for each link server",
                text, (unsigned long long)(CAPTURE_RING_MEMORY_BYTES(words->ring_bytes) / KIB));
}

void link_capture_start(const struct configuration *configuration)
{
    bool is_first = configuration->ls[0] == platform_node() &&
                    configuration->start_orders[platform_node()] == 0;
    char reason[CAPTURE_REASON_BYTES];
    struct capture_words words;
    const char *value;
    int bytes = command_line_find(platform_command_line(), "capture", &value);

    if (bytes < 0) {
        return;
    }
    if (capture_read_option(value, (size_t)bytes, &words, reason) != 0) {
        if (is_first) {
            log_warning("ls", "capture=: %s; nothing is recorded", reason);
        }
        return;
    }
    if (words.ring_bytes == 0) {
        return;
    }
    if (is_first) {
        announce(&words);
    }
    filter = words.filter;
    has_ring = make_ring(words.ring_bytes);
    net_register_message(CAPTURE_READ, handle_capture_read);
}
