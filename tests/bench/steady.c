/* SPDX-License-Identifier: MIT */
/*
 * Clients that ask at a steady rate on connections that stay open, whatever becomes of earlier
 * requests: an open loop. Obeys lines on standard input, answers each with one line:
 *
 *   ask RATE MS   RATE requests a second for so long:  due N answered N in time N
 *
 *   steady ADDRESS CONNECTIONS LIMIT_MS
 *
 * A request is in time if its answer is there LIMIT_MS after it was due, at the latest. One that is
 * due while all connections wait for an answer is not sent. A connection that fails is not
 * replaced.
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
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 256u
#define NS_PER_MS       1000000ull
#define NS_PER_S        1000000000ull

static const char request[] = "GET /4b HTTP/1.1\r\nHost: x\r\n\r\n";

static struct pollfd files[CONNECTIONS_MAX]; /* POLLIN: it waits for an answer */
static uint64_t due_ns[CONNECTIONS_MAX];     /* of the request that it waits for */
static unsigned count, next_place;
static uint64_t limit_ns;

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static bool open_all(const char *address)
{
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(80)};
    int one = 1;

    inet_pton(AF_INET, address, &server.sin_addr);
    for (unsigned i = 0; i < count; i++) {
        files[i].fd = socket(AF_INET, SOCK_STREAM, 0);
        (void)setsockopt(files[i].fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        if (connect(files[i].fd, (struct sockaddr *)&server, sizeof(server)) != 0) {
            return false;
        }
    }
    return true;
}

/* On the next connection that is free. */
static void ask(uint64_t due)
{
    for (unsigned i = 0; i < count; i++) {
        unsigned place = next_place++ % count;

        if (files[place].fd >= 0 && files[place].events == 0) {
            files[place].events = POLLIN;
            due_ns[place] = due;
            (void)send(files[place].fd, request, sizeof(request) - 1, MSG_NOSIGNAL);
            return;
        }
    }
}

/* An answer is so short that it comes at once. */
static bool take_answer(unsigned place)
{
    char answer[2048];
    ssize_t bytes = recv(files[place].fd, answer, sizeof(answer) - 1, 0);

    if (bytes <= 0) {
        close(files[place].fd);
        files[place].fd = -1;
        return false;
    }
    return strncmp(answer, "HTTP/1.1 200", 12) == 0;
}

static void ask_for(uint64_t rate, uint64_t duration_ns)
{
    uint64_t start_ns = now_ns(), end_ns = start_ns + duration_ns;
    unsigned due_count = 0, answered_count = 0, in_time_count = 0;

    for (uint64_t now = start_ns; now < end_ns + limit_ns; now = now_ns()) {
        /* The next one's time, or the end's. */
        while (start_ns + due_count * NS_PER_S / rate <= now && now < end_ns) {
            ask(start_ns + due_count++ * NS_PER_S / rate);
        }
        if (poll(files, count, 1) <= 0) {
            continue;
        }
        now = now_ns();
        for (unsigned i = 0; i < count; i++) {
            if (files[i].revents == 0 || files[i].fd < 0) {
                continue;
            }
            files[i].events = 0;
            if (take_answer(i)) {
                answered_count++;
                in_time_count += now - due_ns[i] <= limit_ns;
            }
        }
    }
    printf("due %u answered %u in time %u\n", due_count, answered_count, in_time_count);
}

int main(int word_count, char **words)
{
    char line[64];

    if (word_count != 4) {
        fputs("usage: steady ADDRESS CONNECTIONS LIMIT_MS\n", stderr);
        return 2;
    }
    count = (unsigned)atoi(words[2]);
    limit_ns = (uint64_t)atoi(words[3]) * NS_PER_MS;
    if (count == 0 || count > CONNECTIONS_MAX || !open_all(words[1])) {
        fputs("steady: no connections\n", stderr);
        return 1;
    }
    while (fgets(line, sizeof(line), stdin) != NULL) {
        unsigned long rate, duration_ms;

        if (sscanf(line, "ask %lu %lu", &rate, &duration_ms) == 2 && rate > 0) {
            ask_for(rate, duration_ms * NS_PER_MS);
        } else {
            puts("what?");
        }
        fflush(stdout);
    }
    return 0;
}
