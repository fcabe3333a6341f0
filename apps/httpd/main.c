/* SPDX-License-Identifier: MIT */
/*
 * httpd: a web server for files in memory (HTTP/1.1, RFC 9110 and 9112).
 *
 * A plain POSIX program with Linux's epoll: the same sources run on Talus and on Linux. One
 * thread, one event loop; nothing in it waits but epoll_wait().
 */
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "apps/httpd/access_log.h"
#include "apps/httpd/archive.h"
#include "apps/httpd/check.h"
#include "apps/httpd/client.h"
#include "apps/httpd/delay.h"
#include "apps/httpd/host.h"
#include "apps/httpd/pages.h"
#include "apps/httpd/response.h"
#include "apps/httpd/rules.h"
#include "libc/core/numbers.h"

#define USER_ROOT    "/boot/root.tar"
#define BUILTIN_ROOT "/boot/builtin.tar"
#define DEFAULT_PORT 80
#define BACKLOG      1024
#define EVENT_BATCH  64
#define ACCEPT_BATCH 256

/* Descriptors that are not clients': the log's, the listener, the epoll, a file for a page; rounded
 * up. Clients beyond the rest are answered 503 on the last few, one after the other. */
#define DESCRIPTOR_RESERVE 16

/* When accept() fails for lack of something, nothing tells when it would not: look again. */
#define ACCEPT_RETRY_MS 100

/* The longest that --idle takes: a day. */
#define IDLE_MAX_S 86400u

/* So long a connection may come without a request before it is accepted all the same. Chosen. */
#define DEFER_ACCEPT_S 5

static struct {
    uint16_t port;
    const char *root;     /* the user's files */
    const char *builtin;  /* those that come with the server */
    unsigned clients;     /* so many are served at once; 0: as many as there is room for */
    unsigned idle_s;      /* how long one may be without a request */
    unsigned pause_every; /* for tests: pause before every so many rounds; 0: never */
    unsigned pause_ms;
    unsigned leave_after; /* for tests: leave main() after so many rounds; 0: never */
} options = {.port = DEFAULT_PORT,
             .root = USER_ROOT,
             .builtin = BUILTIN_ROOT,
             .idle_s = CLIENT_IDLE_S,
             .pause_ms = 100};

static int listener_fd;
/* Connections may be left over from the last event, and an edge-triggered listener tells of each
 * only once. */
static bool has_more_to_accept;

/* So many clients there can be: as many as the system has descriptors for. */
static unsigned client_max;
static unsigned turned_away_count; /* since all places were taken; 0: they are not */

static void print_usage(void)
{
    printf(
        "httpd [--port N] [--root FILE.tar] [--builtin FILE.tar] [--clients N]\n"
        "      [--idle SECONDS]  how long a connection is kept without a request (60)\n"
        "      [--access-log console|ADDRESS[:PORT]]  a line for each answer; both with a comma\n"
        "      [--pause-every ROUNDS] [--pause-ms MS]  miss deadlines on purpose, for tests\n"
        "      [--delay NODE:US[:FROM_MS:TO_MS]]  be slow on purpose, on that node\n"
        "      [--leave-after ROUNDS]  end, for tests\n");
}

static bool parse_number(const char *text, unsigned most, unsigned *number)
{
    uint64_t value;
    bool is_good = number_parse(text, strlen(text), 10, most, &value) == 0;

    *number = (unsigned)value;
    return is_good;
}

static bool parse_option(const char *name, const char *value)
{
    unsigned port;

    if (strcmp(name, "--port") == 0) {
        bool is_good = parse_number(value, UINT16_MAX, &port) && port != 0;
        options.port = (uint16_t)port;
        return is_good;
    }
    if (strcmp(name, "--root") == 0) {
        options.root = value;
        return true;
    }
    if (strcmp(name, "--builtin") == 0) {
        options.builtin = value;
        return true;
    }
    if (strcmp(name, "--clients") == 0) {
        return parse_number(value, INT_MAX, &options.clients) && options.clients != 0;
    }
    if (strcmp(name, "--idle") == 0) {
        return parse_number(value, IDLE_MAX_S, &options.idle_s) && options.idle_s != 0;
    }
    if (strcmp(name, "--pause-every") == 0) {
        return parse_number(value, UINT32_MAX, &options.pause_every);
    }
    if (strcmp(name, "--delay") == 0) {
        return delay_add(value);
    }
    if (strcmp(name, "--leave-after") == 0) {
        return parse_number(value, UINT32_MAX, &options.leave_after);
    }
    if (strcmp(name, "--access-log") == 0) {
        return access_log_choose(value);
    }
    return strcmp(name, "--pause-ms") == 0 && parse_number(value, 3600000, &options.pause_ms);
}

static bool parse_options(int argc, char **argv)
{
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 == argc || !parse_option(argv[i], argv[i + 1])) {
            fprintf(stderr, "httpd: cannot use the option %s\n", argv[i]);
            return false;
        }
    }
    return true;
}

/* What comes later takes the paths of what came before: the user's files those of the built-in
 * ones, and the pages for operators those of a user's files. */
static void load_site(void)
{
    if (archive_add(options.builtin) < 0) {
        fprintf(stderr, "%s: %s\n", options.builtin, strerror(errno));
    }
    pages_add_welcome();
    int files = archive_add_root(options.root);
    if (files >= 0) {
        printf("%d files from %s\n", files, options.root);
    } else if (strcmp(options.root, USER_ROOT) != 0 || errno != ENOENT) {
        fprintf(stderr, "%s: %s\n", options.root, strerror(errno));
    }
    host_count_wrong_lines(rules_refused());
    pages_add_status();
    host_add_pages();
}

static int open_listener(void)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(options.port),
        .sin_addr.s_addr = htonl(INADDR_ANY),
    };
    int on = 1;
    int defer_s = DEFER_ACCEPT_S;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        return -1;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)); /* only a convenience */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &defer_s, sizeof(defer_s)); /* likewise */
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, BACKLOG) != 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

/* Two lines for a time in which there is no room, however many come in it. */
static void turn_away(int fd)
{
    if (turned_away_count++ == 0) {
        fprintf(stderr, "%u clients are there: others are answered 503\n", client_count());
    }
    client_turn_away(fd);
}

static void note_room(void)
{
    if (turned_away_count != 0 && client_count() < client_max - client_max / 8) {
        fprintf(stderr, "there is room for clients again: %u were answered 503\n",
                turned_away_count);
        turned_away_count = 0;
    }
}

/* Accept what there is. Returns in how many milliseconds to come again, or -1. */
static int accept_clients(void)
{
    for (unsigned i = 0; i < ACCEPT_BATCH; i++) {
        int fd = accept4(listener_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            delay_connection();
            if (client_count() < client_max) {
                client_open(fd);
            } else {
                turn_away(fd);
            }
        } else if (errno == EAGAIN) {
            has_more_to_accept = false;
            return -1;
        } else if (errno != ECONNABORTED && errno != EINTR) {
            return ACCEPT_RETRY_MS; /* no descriptor or no memory */
        }
        /* A connection that failed before it was accepted concerns nobody. */
    }
    return 0;
}

static unsigned find_client_max(void)
{
    const unsigned wanted = options.clients != 0 ? options.clients : INT_MAX;
    long descriptors = sysconf(_SC_OPEN_MAX);

    if (descriptors < 0 || descriptors - DESCRIPTOR_RESERVE >= (long)wanted) {
        return wanted; /* without a limit memory is one */
    }
    return descriptors > DESCRIPTOR_RESERVE ? (unsigned)descriptors - DESCRIPTOR_RESERVE : 1;
}

static void read_clocks(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    client_set_time((uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000);
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    response_set_time(now.tv_sec);
}

static void pause_on_purpose(unsigned round)
{
    struct timespec duration = {options.pause_ms / 1000, options.pause_ms % 1000 * 1000000l};

    if (options.pause_every != 0 && round % options.pause_every == 0) {
        nanosleep(&duration, NULL);
    }
}

/* One after the other they would be waited for longer than all else takes. */
static void expect_clients(const struct epoll_event *events, int count)
{
    for (int i = 0; i < count; i++) {
        client_expect(events[i].data.ptr); /* of the listener's it does no harm */
    }
    for (int i = 0; i < count; i++) {
        if (events[i].data.ptr != &listener_fd) {
            client_expect_links(events[i].data.ptr);
        }
    }
}

static void run(int epoll_fd)
{
    struct epoll_event events[EVENT_BATCH];
    int accept_ms = -1;

    read_clocks();
    for (unsigned round = 1; options.leave_after == 0 || round <= options.leave_after; round++) {
        int timeout_ms = client_expire();
        if (accept_ms >= 0 && (timeout_ms < 0 || timeout_ms > accept_ms)) {
            timeout_ms = accept_ms;
        }
        int count = epoll_wait(epoll_fd, events, EVENT_BATCH, timeout_ms);
        pause_on_purpose(round);
        read_clocks();
        check(count <= EVENT_BATCH);
        if (client_is_to_be_expected()) {
            expect_clients(events, count);
        }
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == &listener_fd) {
                has_more_to_accept = true;
            } else {
                client_handle_events(events[i].data.ptr, events[i].events);
            }
        }
        accept_ms = has_more_to_accept ? accept_clients() : -1;
        note_room();
        host_end_round();
    }
}

int main(int argc, char **argv)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = &listener_fd};
    int epoll_fd;

    if (!parse_options(argc, argv)) {
        print_usage();
        return EXIT_FAILURE;
    }
    load_site();
    client_max = find_client_max();
    listener_fd = open_listener();
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (listener_fd < 0 || epoll_fd < 0 ||
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener_fd, &event) != 0) {
        fprintf(stderr, "httpd: port %u: %s\n", options.port, strerror(errno));
        return EXIT_FAILURE;
    }
    if (access_log_start() != 0) {
        fprintf(stderr, "httpd: access log: %s\n", strerror(errno));
        return EXIT_FAILURE;
    }
    client_start(epoll_fd, options.idle_s);
    host_announce(options.port);
    run(epoll_fd);
    return EXIT_SUCCESS;
}
