/* SPDX-License-Identifier: MIT */
/* sources: apps/httpd/client.c apps/httpd/waiting.c apps/httpd/work.c apps/httpd/repeat.c */
/* sources: apps/httpd/kept.c apps/httpd/sending.c apps/httpd/known.c */
/* sources: apps/httpd/request.c apps/httpd/conditions.c apps/httpd/ranges.c apps/httpd/response.c */
/* sources: apps/httpd/multipart.c */
/* sources: apps/httpd/site.c apps/httpd/archive.c apps/httpd/tag.c apps/httpd/encoding.c apps/httpd/settings.c */
/* sources: apps/httpd/settings_lookup.c apps/httpd/rules.c apps/httpd/listing.c apps/httpd/mime.c libc/core/tar.c */
/* sources: apps/httpd/text.c apps/httpd/date.c apps/httpd/authority.c apps/httpd/path.c apps/httpd/header.c */
/* sources: apps/httpd/access_log.c apps/httpd/access_line.c apps/syslog/message.c apps/syslog/collector.c */
/* flags: -D_GNU_SOURCE -Dsendmsg=fake_sendmsg -Dsend=fake_send -DMSG_EOF=0x200 -DMSG_CLOSE=0x400 -Drecv=fake_recv -Dclose=fake_close -Dshutdown=fake_shutdown */
/* flags: -Depoll_ctl=fake_epoll_ctl -Dopen=fake_open -Dfstat=fake_fstat -Dmmap=fake_mmap */
/* library: llhttp */
/*
 * The input is what one client sends to httpd, behind a few bytes that say in which pieces it
 * comes, how much the client takes at a time, and how slowly. The same bytes then come all at once
 * to another connection: what is answered does not depend on the pieces.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "apps/httpd/archive.h"
#include "apps/httpd/client.h"
#include "apps/httpd/host.h"
#include "apps/httpd/kept.h"
#include "apps/httpd/response.h"
#include "apps/httpd/site.h"
#include "apps/httpd/text.h"
#include "tests/fuzz/fuzzer.h"

#define FD         7
#define EPOLL_FD   5
#define ARCHIVE_FD 9
#define BLOCK      512u
#define BIG_BYTES  5000u
#define SENT_MAX   (4u << 20)
#define STEP_MAX   4000u
#define NOW_S      784111777
#define CONTINUE   "HTTP/1.1 100 Continue\r\n\r\n"

/* How the bytes come. */
struct plan {
    size_t piece_bytes; /* 0: all at once */
    size_t room_bytes;  /* that can be sent at each step; 0: all */
    uint32_t step_ms;
    bool has_end; /* the client closes its side behind them */
};

/* One connection, and what has been sent on it. */
struct sent {
    char *bytes;
    size_t count;
};

static struct {
    const uint8_t *input;
    size_t available, left; /* of the input: that have come, in all */
    bool has_ended, is_shut, is_closed;
    size_t room_bytes;
    struct sent *sent;
    struct client *client;
} wire;

static FUZZ_KEPT char sent_bytes[2][SENT_MAX] = {{1}};
static uint64_t now_ms;

/* --- The socket calls --- */

int fake_close(int fd);

ssize_t fake_sendmsg(int fd, const struct msghdr *message, int flags)
{
    size_t sent = 0;

    FUZZ_CHECK(fd == FD && !wire.is_closed && !wire.is_shut && (flags & MSG_NOSIGNAL) != 0);
    if (wire.room_bytes == 0) {
        errno = EAGAIN;
        return -1;
    }
    wire.is_shut = (flags & MSG_EOF) != 0;
    for (size_t i = 0; i < message->msg_iovlen; i++) {
        const struct iovec *piece = &message->msg_iov[i];
        if (piece->iov_len == 0) {
            continue; /* and may be nowhere */
        }
        size_t bytes = piece->iov_len < wire.room_bytes ? piece->iov_len : wire.room_bytes;

        wire.room_bytes -= bytes;
        if (wire.sent->count + bytes <= SENT_MAX) { /* beyond that nothing is compared */
            memcpy(wire.sent->bytes + wire.sent->count, piece->iov_base, bytes);
        }
        wire.sent->count += bytes;
        sent += bytes;
        wire.is_shut = wire.is_shut && bytes == piece->iov_len;
    }
    if (wire.is_shut && (flags & MSG_CLOSE) != 0) {
        (void)fake_close(fd);
    }
    return (ssize_t)sent;
}

ssize_t fake_send(int fd, const void *data, size_t bytes, int flags)
{
    struct iovec piece = {.iov_base = (void *)(uintptr_t)data, .iov_len = bytes};
    const struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};

    return fake_sendmsg(fd, &message, flags);
}

ssize_t fake_recv(int fd, void *buffer, size_t bytes, int flags)
{
    FUZZ_CHECK(fd == FD && !wire.is_closed && flags == 0);
    if (wire.available == 0 && !(wire.has_ended && wire.left == 0)) {
        errno = EAGAIN;
        return -1;
    }
    bytes = bytes < wire.available ? bytes : wire.available;
    memcpy(buffer, wire.input, bytes);
    wire.input += bytes;
    wire.available -= bytes;
    wire.left -= bytes;
    return (ssize_t)bytes;
}

/* What it hands out is gone with the next call, or when a call has waited. */
static char lent[INPUT_MAX_BYTES];

ssize_t host_receive(int fd, void *buffer, size_t bytes, const void **data)
{
    (void)buffer;
    FUZZ_CHECK(bytes == sizeof(lent));
    memset(lent, 'x', sizeof(lent));
    *data = lent;
    return recv(fd, lent, bytes, 0);
}

int fake_close(int fd)
{
    if (fd == FD) {
        FUZZ_CHECK(!wire.is_closed);
        wire.is_closed = true;
    }
    return 0;
}

int fake_shutdown(int fd, int how)
{
    FUZZ_CHECK(fd == FD && how == SHUT_WR && !wire.is_closed);
    wire.is_shut = true;
    return 0;
}

int fake_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event)
{
    FUZZ_CHECK(epoll_fd == EPOLL_FD && operation == EPOLL_CTL_ADD && fd == FD);
    wire.client = event->data.ptr;
    return 0;
}

bool host_is_ending(int fd)
{
    (void)fd;
    return false;
}

void host_count_request(void)
{
}

void host_note_refusal(unsigned status)
{
    FUZZ_CHECK(status >= 400 && status < 600);
}

void host_count_access_line(bool is_sent)
{
    (void)is_sent;
}

void host_name(char name[HOST_NAME_BYTES])
{
    name[0] = '\0';
}

unsigned host_node(void)
{
    return 0;
}

void host_count_turned_away(void)
{
}

/* --- The site: a tar archive --- */

static FUZZ_KEPT char archive[64 * BLOCK] = {0};
static FUZZ_KEPT size_t archive_bytes = 0;

int fake_open(const char *name, int flags, ...)
{
    (void)name;
    (void)flags;
    return ARCHIVE_FD;
}

int fake_fstat(int fd, struct stat *status)
{
    FUZZ_CHECK(fd == ARCHIVE_FD);
    status->st_size = (off_t)archive_bytes;
    return 0;
}

void *fake_mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    (void)address;
    (void)protection;
    (void)flags;
    FUZZ_CHECK(fd == ARCHIVE_FD && bytes == archive_bytes && offset == 0);
    return archive;
}

static void add_file(const char *name, const char *content, size_t bytes)
{
    char *header = archive + archive_bytes;
    unsigned sum = 0;

    FUZZ_CHECK(archive_bytes + BLOCK + bytes + 3 * BLOCK <= sizeof(archive));
    memcpy(header, name, strlen(name));
    sprintf(header + 124, "%011zo", bytes);
    sprintf(header + 136, "%011o", (unsigned)NOW_S);
    memset(header + 148, ' ', 8);
    header[156] = '0';
    memcpy(header + 257, "ustar\00000", 8);
    for (size_t i = 0; i < BLOCK; i++) {
        sum += (uint8_t)header[i];
    }
    sprintf(header + 148, "%06o", sum);
    memcpy(header + BLOCK, content, bytes);
    archive_bytes += BLOCK + (bytes + BLOCK - 1) / BLOCK * BLOCK;
}

static void make_archive(void)
{
    static const char settings[] = "cache text/* max-age=60\nerror 404 /none.html\nlisting /*\n"
                                   "redirect 308 /moved/* /dir/*\nhost /hosts/b b *.b\n";
    static char big[BIG_BYTES];

    for (size_t i = 0; i < sizeof(big); i++) {
        big[i] = (char)('a' + i % 26);
    }
    add_file("index.html", "<h1>hello</h1>", 14);
    add_file("a b.txt", "0123456789", 10);
    add_file("style.css", "p { color: red }", 16);
    add_file("style.css.gz", "\x1f\x8b not really", 13);
    add_file("dir/index.html", "in a folder", 11);
    add_file("empty", "", 0);
    add_file("big", big, sizeof(big));
    add_file("hosts/b/x", "of another host", 15);
    add_file("none.html", "not here", 8);
    add_file("httpd.cfg", settings, strlen(settings));
    archive_bytes += 2 * BLOCK;
}

static void write_page(struct text *text)
{
    for (unsigned i = 0; i < 300; i++) {
        text_add(text, "a page that is written\n", 23);
    }
}

/* --- A connection --- */

static void serve(const uint8_t *input, size_t bytes, const struct plan *plan, struct sent *sent)
{
    memset(&wire, 0, sizeof(wire));
    wire.input = input;
    wire.left = bytes;
    wire.sent = sent;
    wire.has_ended = plan->has_end;
    client_set_time(now_ms);
    for (unsigned step = 0; step < STEP_MAX && !wire.is_closed; step++) {
        size_t more = wire.left - wire.available;

        if (plan->piece_bytes != 0 && more > plan->piece_bytes) {
            more = plan->piece_bytes;
        }
        wire.available += more;
        wire.room_bytes = plan->room_bytes != 0 ? plan->room_bytes : SIZE_MAX;
        if (step == 0) {
            client_open(FD);
        } else {
            bool is_end = wire.left == wire.available && plan->has_end;

            client_handle_events(wire.client,
                                 EPOLLIN | EPOLLOUT | (is_end ? (uint32_t)EPOLLRDHUP : 0u));
        }
        if (!wire.is_closed) {
            now_ms += plan->step_ms;
            client_set_time(now_ms);
            (void)client_expire();
        }
        if (more == 0 && plan->room_bytes == 0) {
            break;
        }
    }
    /* It ends at the latest when its time is over; the rest of a response has no room then. */
    wire.room_bytes = 0;
    for (unsigned i = 0; i < 4 && !wire.is_closed; i++) {
        now_ms += 3600000;
        client_set_time(now_ms);
        (void)client_expire();
    }
    FUZZ_CHECK(wire.is_closed && client_count() == 0 && client_expire() == -1);
}

/* Whether a client that had not sent its body yet was told to go on: that depends on the pieces. */
static void leave_out_continue(struct sent *sent)
{
    char *at;

    while ((at = memmem(sent->bytes, sent->count, CONTINUE, strlen(CONTINUE))) != NULL) {
        size_t behind = sent->count - (size_t)(at - sent->bytes) - strlen(CONTINUE);

        memmove(at, at + strlen(CONTINUE), behind);
        sent->count -= strlen(CONTINUE);
    }
}

void fuzz_one(const uint8_t *bytes, size_t count)
{
    struct fuzz_input input = {.at = bytes, .left = count};
    struct plan plan = {
        .piece_bytes = fuzz_take8(&input),
        .room_bytes = fuzz_take8(&input) * 16u,
        .step_ms = fuzz_take8(&input) * 100u,
        .has_end = (fuzz_take8(&input) & 1) != 0,
    };
    const struct plan at_once = {.has_end = plan.has_end};
    struct sent sent[2] = {{.bytes = sent_bytes[0]}, {.bytes = sent_bytes[1]}};
    bool is_comparable = plan.step_ms == 0;

    if (archive_bytes == 0) {
        make_archive();
    }
    client_start(EPOLL_FD, CLIENT_IDLE_S);
    response_set_time(NOW_S);
    FUZZ_CHECK(archive_add_root("archive") == 9);
    site_add_page("/page", "text/plain", write_page);
    serve(input.at, input.left, &plan, &sent[0]);
    serve(input.at, input.left, &at_once, &sent[1]);
    if (is_comparable && sent[0].count <= SENT_MAX && sent[1].count <= SENT_MAX) {
        leave_out_continue(&sent[0]);
        leave_out_continue(&sent[1]);
        FUZZ_CHECK(sent[0].count == sent[1].count);
        FUZZ_CHECK(memcmp(sent[0].bytes, sent[1].bytes, sent[0].count) == 0);
    }
}
