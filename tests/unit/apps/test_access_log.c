/* SPDX-License-Identifier: MIT */
/* sources: apps/httpd/access_log.c apps/httpd/access_line.c apps/syslog/message.c apps/syslog/collector.c */
/* library: llhttp */
/* flags: -D_GNU_SOURCE -Dputs=fake_puts -Dsendto=fake_sendto -Dgetpeername=fake_getpeername */
/* flags: -Dclock_gettime=fake_clock_gettime */
/*
 * Tests apps/httpd/access_log.c: which lines go where, and what becomes of those that cannot.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <cmocka.h>

#include "apps/httpd/access_log.h"
#include "apps/httpd/host.h"
#include "apps/httpd/request.h"
#include "apps/httpd/response.h"
#include "apps/syslog/message.h"

#define FD       7
#define HEAD     "GET /4b HTTP/1.1\r\nUser-Agent: x\r\n\r\n"
#define LINE     "192.0.2.1 - - [01/Jan/2026:00:00:00 +0000] \"GET /4b HTTP/1.1\" 200 4 \"-\" \"x\""
#define DATAGRAM "<190>1 2026-01-01T00:00:00.000250Z 192.0.2.2 httpd node5 access - " LINE

static time_t now_s = 1767225600;
static unsigned printed_count, sent_count, counted_sent, counted_lost;
static char printed[1024], sent[SYSLOG_DATAGRAM_MAX_BYTES + 1];
static struct sockaddr_in sent_to;
static int send_error;
static bool is_peer_gone;

int fake_puts(const char *line)
{
    assert_true(strlen(line) < sizeof(printed));
    strcpy(printed, line);
    printed_count++;
    return 1;
}

ssize_t fake_sendto(int fd, const void *data, size_t bytes, int flags,
                    const struct sockaddr *address, socklen_t address_bytes)
{
    assert_true(fd >= 0 && (flags & MSG_DONTWAIT) != 0 && bytes < sizeof(sent));
    assert_int_equal(address_bytes, sizeof(sent_to));
    if (send_error != 0) {
        errno = send_error;
        return -1;
    }
    memcpy(&sent_to, address, sizeof(sent_to));
    memcpy(sent, data, bytes);
    sent[bytes] = '\0';
    sent_count++;
    return (ssize_t)bytes;
}

int fake_getpeername(int fd, struct sockaddr *address, socklen_t *bytes)
{
    const struct sockaddr_in peer = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0xC0000201)};

    assert_int_equal(fd, FD);
    assert_int_equal(*bytes, sizeof(peer));
    if (is_peer_gone) {
        errno = ENOTCONN;
        return -1;
    }
    memcpy(address, &peer, sizeof(peer));
    return 0;
}

int fake_clock_gettime(clockid_t clock, struct timespec *now)
{
    assert_int_equal(clock, CLOCK_REALTIME);
    *now = (struct timespec){now_s, 250999};
    return 0;
}

void host_name(char name[HOST_NAME_BYTES])
{
    strcpy(name, "192.0.2.2");
}

unsigned host_node(void)
{
    return 5;
}

void host_count_access_line(bool is_sent)
{
    counted_sent += is_sent;
    counted_lost += !is_sent;
}

static void answer(void)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npika";
    const struct response response = {.status = 200, .head = head, .head_bytes = sizeof(head) - 1};

    access_log_note(FD, HEAD, strlen(HEAD), &response);
}

/* Which goes before all that is chosen. */
static void it_is_off_by_default(void **state)
{
    (void)state;
    assert_false(access_log_is_on);
    answer();
    assert_int_equal(access_log_start(), 0);
    assert_int_equal(printed_count + sent_count + counted_sent + counted_lost, 0);
}

static void other_words_are_refused(void **state)
{
    static const char *const words[] = {
        "",           "consol",      "console,",    ",console",        "192.0.2",
        "192.0.2.1:", "192.0.2.1:0", "192.0.2.1x",  "192.0.2.1:65536", "192.0.2.1:5 ",
        "0.0.0.0",    "console 1",   "10.0.0.1:+5", "collector",       "consolee",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        assert_false(access_log_choose(words[i]));
    }
}

static void a_line_goes_to_console_and_collector(void **state)
{
    (void)state;
    assert_true(access_log_choose("console,192.0.2.9:5140"));
    assert_true(access_log_is_on);
    assert_false(access_log_choose("192.0.2.10")); /* there is one collector */
    assert_true(access_log_choose("console"));
    assert_int_equal(access_log_start(), 0);
    answer();
    assert_string_equal(printed, LINE);
    assert_string_equal(sent, DATAGRAM);
    assert_int_equal(ntohs(sent_to.sin_port), 5140);
    assert_int_equal(ntohl(sent_to.sin_addr.s_addr), 0xC0000209);
    assert_int_equal(counted_sent, 2);
    assert_int_equal(counted_lost, 0);
}

static void a_client_that_has_gone_has_no_address(void **state)
{
    (void)state;
    is_peer_gone = true;
    answer();
    is_peer_gone = false;
    assert_memory_equal(printed, "- - - [", 7);
}

/* Neither is the answer late, nor the console without its line. */
static void what_cannot_be_sent_at_once_is_counted(void **state)
{
    (void)state;
    now_s++;
    counted_sent = counted_lost = sent_count = 0;
    for (unsigned i = 0; i < 3; i++) {
        send_error = i == 0 ? EAGAIN : i == 1 ? ENOBUFS : ENETUNREACH;
        answer();
    }
    send_error = 0;
    answer();
    assert_int_equal(sent_count, 1);
    assert_int_equal(counted_lost, 3);
    assert_int_equal(counted_sent, 4 + 1);
}

static void the_console_gets_so_many_lines_a_second(void **state)
{
    (void)state;
    now_s++;
    printed_count = sent_count = counted_lost = 0;
    for (unsigned i = 0; i < 70; i++) {
        answer();
    }
    assert_int_equal(printed_count, 50);
    assert_int_equal(sent_count, 70);
    assert_int_equal(counted_lost, 20);
    now_s++;
    answer();
    assert_int_equal(printed_count, 51);
}

/* HTTP/1.0 needs no field, and behind the last field's end a body may lie. */
static void a_request_is_known_up_to_its_end(void **state)
{
    static const char bare[] = "GET /4b HTTP/1.0\r\n\r\n",
                      other[] = "GET / HTTP/1.1\r\nA: bReferer: c";
    const struct response response = {.status = 200, .head = "", .head_bytes = 0};
    struct request request = {.target = {4, 3}, .head_bytes = 7};

    (void)state;
    access_log_note_request(FD, &request, bare, bare + sizeof(bare) - 1, &response);
    assert_non_null(strstr(sent, "\"GET /4b HTTP/1.0\" 200 - \"-\" \"-\""));
    request = (struct request){.target = {4, 1}, .head_bytes = 20};
    access_log_note_request(FD, &request, other, other + sizeof(other) - 1, &response);
    assert_non_null(strstr(sent, "\"GET / HTTP/1.1\" 200 - \"-\" \"-\""));
}

static void the_longest_line_fits_a_datagram(void **state)
{
    static char head[8000] = "GET /";
    const struct response response = {
        .status = 414, .head = "HTTP/1.1 414 x\r\n\r\n", .head_bytes = 18};

    (void)state;
    memset(head + 5, '"', 3000);
    memcpy(head + 3005, " HTTP/1.1\r\nReferer: ", 20);
    memset(head + 3025, 'r', 2000);
    memcpy(head + 5025, "\r\nUser-Agent: ", 14);
    memset(head + 5039, '\\', sizeof(head) - 5039);
    access_log_note(FD, head, sizeof(head), &response);
    assert_true(strlen(sent) > 1300 && strlen(sent) <= SYSLOG_DATAGRAM_MAX_BYTES);
    assert_string_equal(sent + strlen(sent) - 8, "\\x5C...\"");
    assert_true(strlen(printed) <= 216);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_off_by_default),
        cmocka_unit_test(other_words_are_refused),
        cmocka_unit_test(a_line_goes_to_console_and_collector),
        cmocka_unit_test(a_client_that_has_gone_has_no_address),
        cmocka_unit_test(what_cannot_be_sent_at_once_is_counted),
        cmocka_unit_test(the_console_gets_so_many_lines_a_second),
        cmocka_unit_test(a_request_is_known_up_to_its_end),
        cmocka_unit_test(the_longest_line_fits_a_datagram),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
