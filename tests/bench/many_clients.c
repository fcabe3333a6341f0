/* SPDX-License-Identifier: MIT */
/*
 * Clients that keep very many connections open and ask on a few of them at a time. Obeys lines on
 * standard input, answers each with one line:
 *
 *   open N        until there are N connections, each with one request answered:  open N failed F
 *   ask N         N requests, on connections drawn by a fixed seed:  asked N failed F
 *   asknew N      N requests, each on a connection of its own that is closed then: the same
 *
 *   many_clients ADDRESS PARALLEL SOURCE...
 *
 * Connections begin at each SOURCE address in turn, which the caller has added to a device.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX (1u << 20) /* as far as there are descriptors */
#define PARALLEL_MAX    1024u
#define PATIENCE_MS     20000 /* then all that is in flight has failed */
#define PORT_FIRST      1024u
#define PORT_COUNT      64000u

static int sockets[CONNECTIONS_MAX];
static unsigned socket_count;
static struct sockaddr_in server;
static struct in_addr sources[256];
static unsigned source_count, parallel;
static uint64_t random_state = 1;
static uint32_t next_place; /* source and port of the next connection */

/* What is in flight: a connection, and whether it is being opened. */
static struct flight {
    int socket;
    bool is_opening;
} flights[PARALLEL_MAX];
static unsigned flight_count;

static uint32_t draw(uint32_t limit)
{
    random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(((random_state >> 33) * limit) >> 31);
}

/* A socket on its way to the server, or -1. */
static int start_connection(void)
{
    int one = 1;
    int file = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in from = {.sin_family = AF_INET};
    uint32_t place = next_place++;

    from.sin_addr = sources[place % source_count];
    from.sin_port = htons((uint16_t)(PORT_FIRST + place / source_count % PORT_COUNT));
    (void)setsockopt(file, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    (void)setsockopt(file, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (file < 0 || bind(file, (struct sockaddr *)&from, sizeof(from)) != 0 ||
        (connect(file, (struct sockaddr *)&server, sizeof(server)) != 0 && errno != EINPROGRESS)) {
        fprintf(stderr, "many_clients: %s\n", strerror(errno));
        if (file >= 0) {
            close(file);
        }
        return -1;
    }
    return file;
}

static bool ask(int file)
{
    static const char request[] = "GET /4b HTTP/1.1\r\nHost: x\r\n\r\n";

    return send(file, request, sizeof(request) - 1, MSG_NOSIGNAL) == (ssize_t)sizeof(request) - 1;
}

/* Whether a whole good answer has come; it is so short that it comes at once. */
static bool is_answered(int file)
{
    char answer[2048];
    ssize_t bytes = recv(file, answer, sizeof(answer) - 1, 0);
    const char *end;

    if (bytes <= 0) {
        return false;
    }
    answer[bytes] = '\0';
    end = strstr(answer, "\r\n\r\n");
    return strncmp(answer, "HTTP/1.1 200", 12) == 0 && end != NULL && end + 4 + 4 == answer + bytes;
}

static void add_flight(int file, bool is_opening)
{
    flights[flight_count++] = (struct flight){file, is_opening};
}

/* Look after what is in flight. Calls `over` with each that has come to its end. */
static void step(void (*over)(int file, bool is_good))
{
    struct pollfd files[PARALLEL_MAX];
    unsigned count = flight_count;

    for (unsigned i = 0; i < count; i++) {
        files[i] = (struct pollfd){.fd = flights[i].socket,
                                   .events = flights[i].is_opening ? POLLOUT : POLLIN};
    }
    bool is_late = poll(files, count, PATIENCE_MS) == 0;

    flight_count = 0;
    for (unsigned i = 0; i < count; i++) {
        struct flight flight = flights[i];

        if (files[i].revents == 0 && !is_late) {
            flights[flight_count++] = flight;
        } else if (flight.is_opening && (files[i].revents & (POLLERR | POLLHUP)) == 0 && !is_late &&
                   ask(flight.socket)) {
            add_flight(flight.socket, false);
        } else {
            over(flight.socket, !flight.is_opening && !is_late && is_answered(flight.socket));
        }
    }
}

static unsigned done, failed;

static void keep(int file, bool is_good)
{
    if (is_good) {
        sockets[socket_count++] = file;
    } else {
        close(file);
        failed++;
    }
}

static void open_all(unsigned wanted)
{
    failed = 0;
    while (socket_count < wanted && failed < 1000) {
        while (flight_count < parallel && socket_count + flight_count < wanted) {
            int file = start_connection();

            if (file < 0) {
                failed = 1000;
                break;
            }
            add_flight(file, true);
        }
        step(keep);
    }
    printf("open %u failed %u\n", socket_count, failed);
}

static void count_answer(int file, bool is_good)
{
    (void)file;
    done++;
    failed += !is_good;
}

static void count_and_close(int file, bool is_good)
{
    close(file);
    count_answer(file, is_good);
}

static bool is_in_flight(int file)
{
    for (unsigned i = 0; i < flight_count; i++) {
        if (flights[i].socket == file) {
            return true;
        }
    }
    return false;
}

static void ask_all(unsigned wanted, bool are_new)
{
    unsigned begun = 0;

    done = failed = 0;
    while (done < wanted) {
        while (flight_count < parallel && begun < wanted) {
            int file = are_new ? start_connection() : sockets[draw(socket_count)];

            if (!are_new && is_in_flight(file)) {
                if (flight_count >= socket_count) {
                    break;
                }
                continue;
            }
            begun++;
            if (file < 0 || (!are_new && !ask(file))) {
                count_answer(file, false);
                continue;
            }
            add_flight(file, are_new);
        }
        if (flight_count > 0) {
            step(are_new ? count_and_close : count_answer);
        }
    }
    printf("asked %u failed %u\n", done, failed);
}

int main(int count, char **words)
{
    struct rlimit files = {CONNECTIONS_MAX + PARALLEL_MAX + 16,
                           CONNECTIONS_MAX + PARALLEL_MAX + 16};
    char line[64];

    if (count < 4 || (unsigned)count - 3 > sizeof(sources) / sizeof(sources[0])) {
        fputs("usage: many_clients ADDRESS PARALLEL SOURCE...\n", stderr);
        return 2;
    }
    server = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(80)};
    inet_pton(AF_INET, words[1], &server.sin_addr);
    parallel = (unsigned)atoi(words[2]);
    if (parallel == 0 || parallel > PARALLEL_MAX) {
        fputs("many_clients: 1 to 1024 at a time\n", stderr);
        return 2;
    }
    for (int i = 3; i < count; i++) {
        inet_pton(AF_INET, words[i], &sources[source_count++]);
    }
    (void)getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
    while (fgets(line, sizeof(line), stdin) != NULL) {
        unsigned number =
            (unsigned)strtoul(strchr(line, ' ') != NULL ? strchr(line, ' ') : "0", NULL, 10);

        if (strncmp(line, "open ", 5) == 0 && number <= CONNECTIONS_MAX) {
            open_all(number);
        } else if (strncmp(line, "asknew ", 7) == 0) {
            ask_all(number, true);
        } else if (strncmp(line, "ask ", 4) == 0 && socket_count > 0) {
            ask_all(number, false);
        } else {
            puts("what?");
        }
        fflush(stdout);
    }
    return 0;
}
