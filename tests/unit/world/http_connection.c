/* SPDX-License-Identifier: MIT */
/* sources: apps/httpd/client.c apps/httpd/waiting.c apps/httpd/work.c apps/httpd/repeat.c */
/* sources: apps/httpd/kept.c apps/httpd/sending.c apps/httpd/known.c */
/* sources: apps/httpd/request.c apps/httpd/conditions.c apps/httpd/ranges.c apps/httpd/response.c */
/* sources: apps/httpd/multipart.c */
/* sources: apps/httpd/site.c apps/httpd/archive.c apps/httpd/tag.c apps/httpd/encoding.c apps/httpd/settings.c */
/* sources: apps/httpd/settings_lookup.c apps/httpd/rules.c apps/httpd/listing.c apps/httpd/mime.c libc/core/tar.c */
/* sources: apps/httpd/text.c apps/httpd/date.c apps/httpd/authority.c apps/httpd/path.c apps/httpd/header.c */
/* sources: apps/httpd/access_log.c apps/httpd/access_line.c apps/syslog/message.c apps/syslog/collector.c */
/* sources: tests/unit/world/http_archive.c */
/*
 * A client of httpd for unit tests: see http_connection.h.
 */
#include "tests/unit/world/http_connection.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "apps/httpd/client.h"
#include "apps/httpd/host.h"
#include "apps/httpd/kept.h"
#include "apps/httpd/site.h"
#include "apps/httpd/text.h"
#include "tests/unit/world/http_archive.h"

/* The host's, from here on. */
#undef close
int close(int fd);

struct http_connection wire;
unsigned turned_away_count;
unsigned refusal_status;
unsigned blocks_left = UINT_MAX;
bool has_no_watch;
bool is_ending;
char http_file[PAGE_BYTES];

static uint64_t now_ms;
static bool is_site_whole;

int fake_close(int fd);

/* What host_receive() has handed out lies here until a call has waited, or the next one. */
static char lent[INPUT_MAX_BYTES];

static void end_lending(void)
{
    memset(lent, 'x', sizeof(lent));
}

ssize_t host_receive(int fd, void *buffer, size_t bytes, const void **data)
{
    (void)buffer;
    assert_int_equal(bytes, sizeof(lent));
    end_lending();
    *data = lent;
    return recv(fd, lent, bytes, 0);
}

ssize_t fake_sendmsg(int fd, const struct msghdr *message, int flags)
{
    size_t sent = 0;

    assert_int_equal(fd, FD);
    assert_true((flags & MSG_NOSIGNAL) != 0 && !wire.is_closed && !wire.is_shut);
    wire.send_count++;
    if (wire.send_error != 0 || wire.room_bytes == 0) {
        end_lending();
        errno = wire.send_error != 0 ? wire.send_error : EAGAIN;
        return -1;
    }
    wire.is_shut = (flags & MSG_EOF) != 0;
    for (size_t i = 0; i < message->msg_iovlen; i++) {
        const struct iovec *piece = &message->msg_iov[i];
        if (piece->iov_len == 0) {
            continue; /* and may be nowhere */
        }
        size_t bytes = piece->iov_len < wire.room_bytes ? piece->iov_len : wire.room_bytes;

        assert_true(wire.sent_bytes + bytes < sizeof(wire.sent));
        memcpy(wire.sent + wire.sent_bytes, piece->iov_base, bytes);
        wire.sent_bytes += bytes;
        wire.room_bytes -= bytes;
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
    size_t left = strlen(wire.input);

    assert_int_equal(fd, FD);
    assert_true(flags == 0 && !wire.is_closed);
    wire.reads++;
    if (left == 0 && !wire.has_ended) {
        errno = EAGAIN;
        return -1;
    }
    bytes = bytes < left ? bytes : left;
    memcpy(buffer, wire.input, bytes);
    wire.input += bytes;
    return (ssize_t)bytes;
}

int fake_close(int fd)
{
    if (!is_site_whole) {
        return close(fd); /* an archive's */
    }
    assert_int_equal(fd, FD);
    assert_false(wire.is_closed);
    wire.is_closed = true;
    wire.has_unread = *wire.input != '\0';
    return 0;
}

int fake_shutdown(int fd, int how)
{
    assert_int_equal(fd, FD);
    assert_int_equal(how, SHUT_WR);
    wire.is_shut = true;
    return 0;
}

int fake_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event)
{
    assert_int_equal(epoll_fd, 5);
    assert_int_equal(operation, EPOLL_CTL_ADD);
    assert_int_equal(fd, FD);
    wire.client = event->data.ptr;
    if (has_no_watch) {
        errno = ENOMEM;
        return -1;
    }
    return 0;
}

void *fake_malloc(size_t bytes)
{
    return blocks_left == 0 ? NULL : (blocks_left--, calloc(1, bytes));
}

bool host_is_ending(int fd)
{
    assert_int_equal(fd, FD);
    return is_ending;
}

void host_count_request(void)
{
}

void host_note_refusal(unsigned status)
{
    refusal_status = status;
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
    turned_away_count++;
}

static void write_page(struct text *text)
{
    char part[1000];

    memset(part, 'p', sizeof(part));
    for (size_t i = 0; i < PAGE_BYTES / sizeof(part); i++) {
        text_add(text, part, sizeof(part));
    }
}

void advance(uint64_t ms)
{
    now_ms += ms;
    client_set_time(now_ms);
    (void)client_expire();
}

int http_set_up_group(void **state)
{
    (void)state;
    client_start(5, CLIENT_IDLE_S);
    client_set_time(0);
    response_set_time(NOW_S);
    site_add_page("/page", "text/plain", write_page);
    for (size_t i = 0; i < sizeof(http_file); i++) {
        http_file[i] = (char)('a' + i / 26 % 26 + i % 3);
    }
    add_file("file", http_file, sizeof(http_file));
    add_file("small", http_file, 4);
    assert_int_equal(finish_archive(), 2);
    is_site_whole = true;
    return 0;
}

int http_set_up(void **state)
{
    (void)state;
    memset(&wire, 0, sizeof(wire));
    wire.input = "";
    wire.room_bytes = SIZE_MAX;
    turned_away_count = 0;
    blocks_left = UINT_MAX;
    has_no_watch = false;
    is_ending = false;
    return 0;
}

int http_tear_down(void **state)
{
    (void)state;
    return client_count() == 0 && wire.is_closed && client_expire() == -1 ? 0 : -1;
}

void end_client(void)
{
    wire.has_ended = true;
    client_handle_events(wire.client, EPOLLIN | EPOLLRDHUP);
}

bool has_sent(const char *text)
{
    return memmem(wire.sent, wire.sent_bytes, text, strlen(text)) != NULL;
}

unsigned count_sent(const char *text)
{
    unsigned count = 0;

    for (const char *at = wire.sent; (at = strstr(at, text)) != NULL; at += strlen(text)) {
        count++;
    }
    return count;
}
