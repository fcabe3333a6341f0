/* SPDX-License-Identifier: MIT */
/*
 * Each link server is asked for a room full of frames, and again when those have been read. The
 * oldest of the frames that are here goes next as soon as every link server of which none is here
 * has said that it has none that is older.
 */
#include "net/capture/reader.h"

#include <string.h>

#include "kernel/message/dispatch.h"
#include "kernel/message/send.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/memory.h"
#include "net/configuration.h"
#include "net/handlers.h"
#include "net/messages.h"
#include "net/watching_counters.h"

/* One that lives answers in a round; one that hangs is declared dead before (watch.h). */
#define PATIENCE_NS (5 * NS_PER_S)

/* A frame in a source's room; its bytes follow. */
struct kept {
    uint64_t time_ns, lost_count;
    uint32_t original_bytes, bytes;
    uint32_t direction, room_bytes;
};

_Static_assert(sizeof(struct kept) <= CAPTURE_FRAME_ROOM(0),
               "what a frame takes here is no more than what its link server reckons");

/* One link server. */
struct source {
    struct capture_interface told;
    bool is_over;     /* nothing more will come, but for what is here */
    bool has_begun;   /* it has answered once */
    bool has_more;    /* and had recorded more than it told */
    uint32_t request; /* that waits for its end; 0: none */
    uint64_t asked_ns;
    uint64_t next_number;            /* to ask for */
    uint64_t least_number, least_ns; /* of the next frame that it tells */
    uint64_t complete_ns;
    uint64_t new_lost_count; /* not told with a frame yet */
    uint32_t room_left, used_bytes, read_bytes;
    uint8_t *room;
};

struct capture_reader {
    struct capture_filter filter;
    struct capture_peer peer;
    uint64_t until_ns;
    void (*wake)(void *context);
    void *context;
    unsigned source_count;
    struct source sources[];
};

MEMORY_KIND(reader_kind, "capture_reader");

static struct capture_reader *readers[CAPTURE_READER_MAX];
static uint32_t last_request;

uint64_t capture_now_ns(void)
{
    return platform_now_ns() + platform_standstill_ns();
}

/* --- Asking --- */

static bool has_frame(const struct source *source)
{
    return source->read_bytes < source->used_bytes;
}

static void end_source(struct source *source, enum capture_end end)
{
    source->is_over = true;
    source->request = 0;
    source->told.end = end;
}

static void ask(struct capture_reader *reader, struct source *source)
{
    struct capture_read *message =
        message_reserve_posted(source->told.node, CAPTURE_READ, sizeof(*message));

    last_request += last_request == UINT32_MAX ? 2 : 1; /* 0 is none */
    source->request = last_request;
    source->asked_ns = platform_now_ns();
    source->used_bytes = 0;
    source->read_bytes = 0;
    source->room_left = CAPTURE_ROOM_MAX_BYTES;
    message->first_number = source->next_number;
    message->until_ns = reader->until_ns;
    message->request_number = source->request;
    message->room_bytes = CAPTURE_ROOM_MAX_BYTES;
    message->host = reader->filter.host;
    message->port = reader->filter.port;
    message->snap_bytes = reader->filter.snap_bytes;
    message->protocols = reader->filter.protocols;
    message->directions = reader->filter.directions;
    message->peer_address = reader->peer.address;
    message->peer_port = reader->peer.port;
    message_publish();
}

/* Those of which nothing is here and more may come. `needed_ns`: of the frame that waits for them;
 * UINT64_MAX: none does, and what had nothing a moment ago is left alone. */
static void ask_where_needed(struct capture_reader *reader, uint64_t needed_ns)
{
    uint64_t now_ns = platform_now_ns();

    for (unsigned i = 0; i < reader->source_count; i++) {
        struct source *source = &reader->sources[i];

        if (source->request != 0 && now_ns - source->asked_ns >= PATIENCE_NS) {
            end_source(source, CAPTURE_NODE_SILENT);
        } else if (!source->is_over && source->request == 0 && !has_frame(source) &&
                   (!source->has_begun || source->complete_ns < needed_ns) &&
                   (!source->has_begun || source->has_more || needed_ns != UINT64_MAX ||
                    now_ns - source->asked_ns >= CAPTURE_WAIT_NS)) {
            ask(reader, source);
        }
    }
}

/* --- Answers --- */

/* Whose request that is, of this node; NULL: nobody's (any more). */
static struct source *find_source(node_id_t node, uint32_t request, struct capture_reader **owner)
{
    for (unsigned i = 0; i < CAPTURE_READER_MAX && request != 0; i++) {
        for (unsigned s = 0; readers[i] != NULL && s < readers[i]->source_count; s++) {
            struct source *source = &readers[i]->sources[s];

            if (source->request == request && source->told.node == node) {
                *owner = readers[i];
                return source;
            }
        }
    }
    return NULL;
}

static bool is_frame_good(const struct capture_reader *reader, const struct source *source,
                          const struct captured_frame *message, size_t bytes)
{
    return bytes <= reader->filter.snap_bytes && bytes <= message->original_bytes &&
           CAPTURE_FRAME_ROOM(bytes) <= source->room_left &&
           message->number >= source->least_number && message->number != UINT64_MAX &&
           message->time_ns >= source->least_ns && message->time_ns <= reader->until_ns &&
           (message->direction == CAPTURE_IN || message->direction == CAPTURE_OUT);
}

static void handle_captured_frame(node_id_t from, const struct message *raw,
                                  struct message_payload payload)
{
    const struct captured_frame *message = (const struct captured_frame *)raw;
    struct capture_reader *reader = NULL;
    struct source *source = find_source(from, message->request_number, &reader);
    size_t bytes = payload.length_bytes;
    struct kept *kept;

    if (source == NULL) {
        return; /* it crossed the end of its capture */
    }
    if (!is_frame_good(reader, source, message, bytes)) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        return;
    }
    kept = (struct kept *)(source->room + source->used_bytes);
    *kept = (struct kept){
        .time_ns = message->time_ns,
        .original_bytes = message->original_bytes,
        .bytes = (uint32_t)bytes,
        .direction = message->direction,
        .room_bytes = (uint32_t)CAPTURE_FRAME_ROOM(bytes),
    };
    memcpy(kept + 1, payload.bytes, bytes);
    source->used_bytes += kept->room_bytes;
    source->room_left -= kept->room_bytes;
    source->least_number = message->number + 1;
    source->least_ns = message->time_ns;
}

/* Losses are told with the first frame behind them. */
static void note_loss(struct source *source, uint64_t lost_count)
{
    if (!source->has_begun) {
        source->told.early_count = lost_count;
        return;
    }
    source->told.lost_count += lost_count;
    if (has_frame(source)) {
        ((struct kept *)source->room)->lost_count = source->new_lost_count + lost_count;
        source->new_lost_count = 0;
    } else {
        source->new_lost_count += lost_count;
    }
}

static void handle_capture_told(node_id_t from, const struct message *raw)
{
    const struct capture_told *message = (const struct capture_told *)raw;
    struct capture_reader *reader = NULL;
    struct source *source = find_source(from, message->request_number, &reader);

    if (source == NULL) {
        return;
    }
    if (message->next_number < source->least_number || message->complete_ns < source->least_ns ||
        message->next_number > message->recorded_count ||
        message->recorded_count > message->seen_count ||
        message->lost_count > message->next_number) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        end_source(source, CAPTURE_NODE_WRONG);
    } else {
        note_loss(source, message->lost_count);
        source->has_begun = true;
        source->has_more = message->next_number < message->recorded_count;
        source->request = 0;
        source->next_number = message->next_number;
        source->least_number = message->next_number;
        source->least_ns = message->complete_ns;
        source->complete_ns = message->complete_ns;
        source->told.seen_count = message->seen_count;
        source->told.recorded_count = message->recorded_count;
        source->is_over = message->complete_ns > reader->until_ns;
    }
    reader->wake(reader->context);
}

static void note_node_down(node_id_t node)
{
    for (unsigned i = 0; i < CAPTURE_READER_MAX; i++) {
        for (unsigned s = 0; readers[i] != NULL && s < readers[i]->source_count; s++) {
            struct source *source = &readers[i]->sources[s];

            if (source->told.node == node && !source->is_over) {
                end_source(source, CAPTURE_NODE_DEAD);
                readers[i]->wake(readers[i]->context);
            }
        }
    }
}

void capture_reader_initialise(void)
{
    net_register_payload_message(CAPTURED_FRAME, handle_captured_frame);
    net_register_message(CAPTURE_TOLD, handle_capture_told);
    dispatch_register_node_down(note_node_down);
}

/* --- For who reads --- */

static struct capture_reader **find_place(void)
{
    for (unsigned i = 0; i < CAPTURE_READER_MAX; i++) {
        if (readers[i] == NULL) {
            return &readers[i];
        }
    }
    return NULL;
}

/* All rooms stand behind the sources. */
static struct capture_reader *allocate(unsigned source_count)
{
    size_t head_bytes = sizeof(struct capture_reader) + source_count * sizeof(struct source);
    size_t room_at = ALIGN_UP(head_bytes, (size_t)16);
    struct capture_reader *reader =
        memory_allocate(&reader_kind, room_at + (size_t)source_count * CAPTURE_ROOM_MAX_BYTES);

    if (reader != NULL) {
        memset(reader, 0, room_at);
        reader->source_count = source_count;
        for (unsigned i = 0; i < source_count; i++) {
            reader->sources[i].room =
                (uint8_t *)reader + room_at + (size_t)i * CAPTURE_ROOM_MAX_BYTES;
        }
    }
    return reader;
}

struct capture_reader *capture_reader_open(const struct capture_filter *filter,
                                           const struct capture_peer *peer, uint64_t until_ns,
                                           void (*wake)(void *context), void *context)
{
    const struct configuration *configuration = configuration_current();
    struct capture_reader **place = find_place();
    struct capture_reader *reader = place != NULL ? allocate(configuration->ls_count) : NULL;

    if (reader == NULL) {
        return NULL;
    }
    ASSERT(capture_filter_is_valid(filter));
    reader->filter = *filter;
    reader->peer = *peer;
    reader->until_ns = until_ns;
    reader->wake = wake;
    reader->context = context;
    for (unsigned i = 0; i < reader->source_count; i++) {
        struct source *source = &reader->sources[i];

        source->told.node = configuration->ls[i];
        if (configuration_is_dead(configuration, source->told.node)) {
            end_source(source, CAPTURE_NODE_DEAD);
        }
    }
    *place = reader;
    return reader;
}

/* The oldest frame that is here; and until when all is known of those of whom none is. */
static struct source *find_oldest(struct capture_reader *reader, uint64_t *complete_ns)
{
    struct source *oldest = NULL;

    *complete_ns = UINT64_MAX;
    for (unsigned i = 0; i < reader->source_count; i++) {
        struct source *source = &reader->sources[i];

        /* While an answer is under way, its first frames may be all that is here of it. */
        if (source->request == 0 && has_frame(source)) {
            const struct kept *kept = (struct kept *)(source->room + source->read_bytes);

            if (oldest == NULL ||
                kept->time_ns < ((struct kept *)(oldest->room + oldest->read_bytes))->time_ns) {
                oldest = source;
            }
        } else if (!source->is_over) {
            uint64_t known_ns = source->has_begun ? source->complete_ns : 0;

            *complete_ns = known_ns < *complete_ns ? known_ns : *complete_ns;
        }
    }
    return oldest;
}

static void take(struct capture_reader *reader, struct source *source, struct captured *frame)
{
    const struct kept *kept = (struct kept *)(source->room + source->read_bytes);

    source->read_bytes += kept->room_bytes;
    source->told.read_count++;
    *frame = (struct captured){
        .interface = (unsigned)(source - reader->sources),
        .time_ns = kept->time_ns,
        .direction = kept->direction,
        .original_bytes = kept->original_bytes,
        .data = (const uint8_t *)(kept + 1),
        .bytes = kept->bytes,
        .lost_count = kept->lost_count,
    };
}

enum capture_progress capture_reader_next(struct capture_reader *reader, struct captured *frame)
{
    uint64_t complete_ns;
    struct source *oldest = find_oldest(reader, &complete_ns);

    if (oldest == NULL && complete_ns == UINT64_MAX) {
        return CAPTURE_IS_OVER;
    }
    if (oldest != NULL) {
        uint64_t oldest_ns = ((struct kept *)(oldest->room + oldest->read_bytes))->time_ns;

        if (oldest_ns <= complete_ns) {
            take(reader, oldest, frame);
            return CAPTURE_HAS_FRAME;
        }
        ask_where_needed(reader, oldest_ns);
    } else {
        ask_where_needed(reader, UINT64_MAX);
    }
    return CAPTURE_WAITS;
}

unsigned capture_interface_count(const struct capture_reader *reader)
{
    return reader->source_count;
}

struct capture_interface capture_interface(const struct capture_reader *reader, unsigned index)
{
    ASSERT(index < reader->source_count);
    return reader->sources[index].told;
}

void capture_reader_close(struct capture_reader *reader)
{
    for (unsigned i = 0; i < CAPTURE_READER_MAX; i++) {
        if (readers[i] == reader) {
            readers[i] = NULL;
        }
    }
    memory_release(&reader_kind, reader);
}
