/* SPDX-License-Identifier: MIT */
/*
 * A thread for each capture, with a buffer of its own: it reads frames from link servers as there
 * is room to send. One whose client takes nothing for a while is broken off, and so is one that
 * takes much longer than it said.
 */
#include "apps/httpd/capture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "apps/httpd/header.h"
#include "apps/httpd/host.h"
#include "apps/httpd/pcapng.h"
#include "apps/httpd/site.h"
#include "apps/httpd/stream.h"
#include "kernel/platform.h"
#include "kernel/thread/thread.h"
#include "libc/core/command_line.h"
#include "libc/core/format.h"
#include "libc/core/version.h"
#include "net/capture/filter.h"
#include "net/capture/reader.h"
#include "net/wall_clock.h"
#include "net/watching_counters.h"

#define CAPTURE_TYPE "application/x-pcapng"

/* Of a file before it is sent: several frames. */
#define BUFFER_BYTES     (16u * 1024)
/* "4000\r\n" before, "\r\n" behind (RFC 9112 7.1). */
#define CHUNK_HEAD_BYTES 8u
#define CHUNK_END_BYTES  2u

/* How long a client may take nothing, and how much longer than seconds= it may take. Chosen. */
#define SEND_PATIENCE_S 10
#define GRACE_NS        (300 * NS_PER_S)

struct capture_stream {
    struct stream stream;
    struct capture_words words;
    struct capture_reader *reader;
    struct thread *thread;
    int fd;
    bool is_chunked;
    bool is_broken;    /* nothing more can be sent */
    const char *limit; /* that has ended it; NULL: none */
    uint64_t start_ns, until_ns;
    uint64_t epoch_ns; /* to be added to times of frames: one for the whole file */
    uint64_t frame_count, file_bytes;
    struct pcapng file; /* in the middle of the buffer, with room for a chunk's ends */
    uint8_t buffer[CHUNK_HEAD_BYTES + BUFFER_BYTES + CHUNK_END_BYTES];
};

_Static_assert(BUFFER_BYTES >= PCAPNG_BLOCK_MAX_BYTES + CAPTURE_SNAP_MAX_BYTES,
               "the buffer has room for the longest block");

static unsigned stream_count;
static bool is_initialised;

/* --- Out --- */

static void send_all(struct capture_stream *stream, const void *bytes, size_t count)
{
    const char *at = bytes;

    while (count != 0 && !stream->is_broken) {
        ssize_t sent = send(stream->fd, at, count, MSG_NOSIGNAL);

        if (sent <= 0) {
            stream->is_broken = true; /* gone, or its patience is over */
        } else {
            at += sent;
            count -= (size_t)sent;
        }
    }
}

/* What is in the buffer, as a chunk for who knows such. */
static void flush(struct capture_stream *stream)
{
    uint8_t *start = stream->file.at;
    size_t bytes = stream->file.bytes;

    if (bytes != 0 && stream->is_chunked) {
        char head[CHUNK_HEAD_BYTES + 1];
        size_t head_bytes = (size_t)format_text(head, sizeof(head), "%zx\r\n", bytes);

        start -= head_bytes;
        memcpy(start, head, head_bytes);
        memcpy(stream->file.at + bytes, "\r\n", CHUNK_END_BYTES);
        bytes += head_bytes + CHUNK_END_BYTES;
    }
    send_all(stream, start, bytes);
    stream->file.bytes = 0;
}

static void make_room(struct capture_stream *stream, size_t bytes)
{
    if (stream->file.room_bytes - stream->file.bytes < bytes) {
        flush(stream);
    }
}

static void send_head(struct capture_stream *stream)
{
    struct text text = {0};

    header_add_start(&text, 200, PERSIST_NOT);
    text_print(&text,
               "Content-Type: " CAPTURE_TYPE "\r\nCache-Control: no-store\r\n"
               "X-Content-Type-Options: nosniff\r\n"
               "Content-Disposition: attachment; filename=\"talus.pcapng\"\r\n%s\r\n",
               stream->is_chunked ? "Transfer-Encoding: chunked\r\n" : "");
    if (text.has_failed) {
        stream->is_broken = true;
    } else {
        send_all(stream, text.at, text.bytes);
    }
    text_release(&text);
}

/* --- The file --- */

static void add_interfaces(struct capture_stream *stream)
{
    char name[32], description[64], filter[CAPTURE_FILTER_TEXT_BYTES];

    pcapng_add_section(&stream->file, "x86-64", "Talus", talus_version);
    capture_filter_print(&stream->words.filter, filter);
    for (unsigned i = 0; i < capture_interface_count(stream->reader); i++) {
        struct capture_interface interface = capture_interface(stream->reader, i);

        (void)format_text(name, sizeof(name), "node%u", interface.node);
        (void)format_text(description, sizeof(description), "link server %u, queue %u of the card",
                          i, i);
        make_room(stream, PCAPNG_BLOCK_MAX_BYTES);
        pcapng_add_interface(&stream->file, &(struct pcapng_interface){
                                                .name = name,
                                                .description = description,
                                                .filter = filter,
                                                .snap_bytes = stream->words.filter.snap_bytes,
                                            });
    }
}

/* False: it is one more than there may be. */
static bool add_frame(struct capture_stream *stream, const struct captured *frame)
{
    const struct pcapng_frame block = {
        .interface = frame->interface,
        .time_ns = frame->time_ns + stream->epoch_ns,
        .captured_bytes = frame->bytes,
        .original_bytes = frame->original_bytes,
        .data = frame->data,
        .is_out = frame->direction == CAPTURE_OUT,
        .lost_count = frame->lost_count,
    };
    size_t bytes = pcapng_frame_bytes(&block);

    if (stream->file_bytes + bytes > stream->words.byte_most) {
        stream->limit = "bytes=";
        return false;
    }
    make_room(stream, bytes);
    pcapng_add_frame(&stream->file, &block);
    stream->file_bytes += bytes;
    stream->frame_count++;
    if (stream->frame_count == stream->words.frame_most) {
        stream->limit = "count=";
    }
    return stream->limit == NULL;
}

static const char *end_text(enum capture_end end)
{
    switch (end) {
    case CAPTURE_NODE_DEAD:
        return "this node has failed: what it had recorded and not told is lost; ";
    case CAPTURE_NODE_SILENT:
        return "this node has not answered in time; ";
    case CAPTURE_NODE_WRONG:
        return "this node has answered what cannot be; ";
    case CAPTURE_ENDED_WELL:
        break;
    }
    return "";
}

static void add_statistics(struct capture_stream *stream)
{
    uint64_t end_ns = capture_now_ns();
    char comment[PCAPNG_TEXT_MAX_BYTES];

    for (unsigned i = 0; i < capture_interface_count(stream->reader); i++) {
        struct capture_interface interface = capture_interface(stream->reader, i);
        const struct pcapng_statistics block = {
            .interface = i,
            .time_ns = end_ns + stream->epoch_ns,
            .start_ns = stream->start_ns + stream->epoch_ns,
            .end_ns = (end_ns < stream->until_ns ? end_ns : stream->until_ns) + stream->epoch_ns,
            .received = interface.seen_count,
            .dropped = interface.lost_count,
            .accepted = interface.recorded_count,
            .delivered = interface.read_count,
            .comment = comment,
        };

        (void)format_text(comment, sizeof(comment),
                          "%s%s%s%llu frames were recorded and overwritten before this capture "
                          "began",
                          end_text(interface.end), stream->limit != NULL ? stream->limit : "",
                          stream->limit != NULL ? " has ended it; " : "",
                          (unsigned long long)interface.early_count);
        make_room(stream, PCAPNG_BLOCK_MAX_BYTES);
        pcapng_add_statistics(&stream->file, &block);
    }
}

/* --- The thread --- */

static void wake(void *context)
{
    struct capture_stream *stream = context;

    thread_wake(stream->thread);
}

/* What else the client may say concerns nobody; that it has closed does. */
static bool is_client_gone(const struct capture_stream *stream)
{
    char byte[64];
    ssize_t received = recv(stream->fd, byte, sizeof(byte), MSG_DONTWAIT);

    return received == 0 || (received < 0 && errno != EAGAIN);
}

static void send_frames(struct capture_stream *stream)
{
    enum capture_progress progress;
    struct captured frame = {0};

    while (!stream->is_broken &&
           (progress = capture_reader_next(stream->reader, &frame)) != CAPTURE_IS_OVER) {
        uint64_t now_ns = capture_now_ns();

        if (progress == CAPTURE_HAS_FRAME) {
            if (!add_frame(stream, &frame)) {
                return;
            }
        } else {
            flush(stream);
            (void)thread_block_until(platform_now_ns() + CAPTURE_WAIT_NS);
            stream->is_broken |= is_client_gone(stream);
        }
        if (now_ns > stream->until_ns + GRACE_NS || host_is_ending(stream->fd)) {
            stream->limit = "its time";
            return;
        }
    }
}

static void release(struct capture_stream *stream)
{
    if (stream->reader != NULL) {
        capture_reader_close(stream->reader);
    }
    stream_count--;
    free(stream);
}

/* A send waits for so long, and no longer. */
static bool prepare_descriptor(int fd)
{
    const struct timeval patience = {.tv_sec = SEND_PATIENCE_S};

    return fcntl(fd, F_SETFL, 0) == 0 &&
           setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) == 0;
}

static void run(void *argument)
{
    struct capture_stream *stream = argument;

    stream->thread = thread_self();
    if (prepare_descriptor(stream->fd)) {
        send_head(stream);
        add_interfaces(stream);
        send_frames(stream);
        add_statistics(stream);
        flush(stream);
        if (stream->is_chunked) {
            send_all(stream, "0\r\n\r\n", 5);
        }
    } else {
        stream->is_broken = true;
    }
    if (stream->is_broken) {
        counter_increment(COUNTER_CAPTURE_STREAMS_LEFT);
    }
    close(stream->fd);
    release(stream);
}

/* --- Requests --- */

static void start(struct stream *base, int fd)
{
    struct capture_stream *stream = (struct capture_stream *)base;
    struct sockaddr_in peer = {0};
    socklen_t peer_bytes = sizeof(peer);
    struct capture_peer left_out = {0};

    if (getpeername(fd, (struct sockaddr *)&peer, &peer_bytes) == 0) {
        left_out = (struct capture_peer){peer.sin_addr.s_addr, ntohs(peer.sin_port)};
    }
    stream->fd = fd;
    stream->start_ns = capture_now_ns();
    stream->until_ns = stream->start_ns + stream->words.seconds * NS_PER_S;
    stream->epoch_ns = wall_clock_at(platform_now_ns()) - stream->start_ns;
    stream->file =
        (struct pcapng){.at = stream->buffer + CHUNK_HEAD_BYTES, .room_bytes = BUFFER_BYTES};
    stream->reader =
        capture_reader_open(&stream->words.filter, &left_out, stream->until_ns, wake, stream);
    if (stream->reader == NULL || thread_create("capture", run, stream) == NULL) {
        host_count_turned_away();
        close(fd);
        release(stream);
    }
}

static uint16_t refuse(uint16_t status)
{
    counter_increment(COUNTER_CAPTURE_STREAMS_REFUSED);
    return status;
}

static uint16_t begin(const struct stream_request *request, struct stream **stream,
                      char reason[STREAM_REASON_BYTES])
{
    struct capture_words words;
    struct capture_stream *own;

    _Static_assert(CAPTURE_REASON_BYTES <= STREAM_REASON_BYTES, "a reason fits");
    if (capture_read_query(request->query, request->query_bytes, &words, reason) != 0) {
        return refuse(400);
    }
    if (request->is_head) {
        return 200;
    }
    own = stream_count < CAPTURE_READER_MAX ? malloc(sizeof(*own)) : NULL;
    if (own == NULL) {
        (void)format_text(reason, STREAM_REASON_BYTES, "%s",
                          stream_count < CAPTURE_READER_MAX
                              ? "there is no memory for a capture"
                              : "as many captures are under way here as may be");
        return refuse(503);
    }
    memset(own, 0, offsetof(struct capture_stream, buffer));
    own->stream.start = start;
    own->words = words;
    own->is_chunked = request->is_chunked;
    stream_count++;
    counter_increment(COUNTER_CAPTURE_STREAMS);
    *stream = &own->stream;
    return 200;
}

/* What is wrong with the words is said by the link servers' first. */
void capture_add_page(void)
{
    char reason[CAPTURE_REASON_BYTES];
    struct capture_words words;
    const char *value;
    int bytes = command_line_find(platform_command_line(), "capture", &value);

    if (bytes < 0 || capture_read_option(value, (size_t)bytes, &words, reason) != 0 ||
        words.ring_bytes == 0) {
        return;
    }
    if (!is_initialised) {
        is_initialised = true;
        capture_reader_initialise();
    }
    site_add_stream("/capture", CAPTURE_TYPE, begin);
}
