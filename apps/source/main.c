/* SPDX-License-Identifier: MIT */
/*
 * A source of bytes: what a program sends from its memory, for tests and measurements of that. Over
 * HTTP/1.0, a connection for each request, one after the other:
 *
 *   GET /KIND/BYTES/PIECE/OFFSET    so many bytes, by sends of a piece each, from memory that
 *                                   begins so many bytes behind a page's start
 *   GET /metrics
 *
 * KIND is where the memory is, `heap` or `static`, and whether it is written to after each send, to
 * hold the next piece: `heap-written`. Else each piece is the same. Bytes and piece are multiples
 * of four: the word at position p of what is sent, or of each piece that is the same, is p / 4
 * times a constant.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT           80
#define REQUEST_BYTES  4096
#define METRICS_BYTES  4096 /* at a time */
#define PIECE_MAX      (1024 * 1024u)
#define PAGE_BYTES     4096u
#define BLOCK_MORE     (16 * PAGE_BYTES) /* than a piece: every block is a large one */
#define MULTIPLIER     2654435761u       /* of the golden ratio: all four bytes of it differ */
#define NUMBER_DEFAULT 102400u

static const char ok[] = "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n";
static const char not_found[] = "HTTP/1.0 404 Not Found\r\n\r\n";

static char in_image[PIECE_MAX + 2 * PAGE_BYTES];

struct order {
    bool is_static, is_written;
    uint32_t bytes, piece, offset;
};

static void fill(char *memory, uint32_t bytes, uint32_t position)
{
    for (uint32_t i = 0; i < bytes; i += 4) {
        uint32_t word = (position + i) / 4 * MULTIPLIER;

        memcpy(memory + i, &word, sizeof(word));
    }
}

/* Whether all of it went. */
static bool send_all(int fd, const char *bytes, size_t length)
{
    return send(fd, bytes, length, 0) == (ssize_t)length;
}

static void send_pieces(int fd, char *memory, const struct order *order)
{
    fill(memory, order->piece, 0);
    for (uint32_t sent = 0; sent < order->bytes;) {
        uint32_t left = order->bytes - sent;
        uint32_t piece = left < order->piece ? left : order->piece;

        if (!send_all(fd, memory, piece)) {
            printf("%u bytes of %u sent: error %d\n", sent, order->bytes, errno);
            return;
        }
        sent += piece;
        if (order->is_written) {
            fill(memory, order->piece, sent); /* behind the last one, too */
        }
    }
}

static void serve_bytes(int fd, const struct order *order)
{
    char *block = order->is_static ? in_image : malloc(order->piece + BLOCK_MORE);

    if (block == NULL) {
        printf("no memory for %u bytes\n", order->piece);
        return;
    }
    char *page = block + (PAGE_BYTES - (uintptr_t)block % PAGE_BYTES) % PAGE_BYTES;

    if (send_all(fd, ok, sizeof(ok) - 1)) {
        send_pieces(fd, page + order->offset, order);
    }
    if (!order->is_static) {
        free(block);
    }
}

static void serve_metrics(int fd)
{
    char text[METRICS_BYTES];
    int file = open("/proc/metrics", O_RDONLY);
    ssize_t bytes = 0;

    if (file < 0 || !send_all(fd, ok, sizeof(ok) - 1)) {
        return;
    }
    while ((bytes = read(file, text, sizeof(text))) > 0 && send_all(fd, text, (size_t)bytes)) {
    }
    close(file);
}

static uint32_t next_number(const char **at, uint32_t otherwise)
{
    char *end = NULL;

    if (**at != '/') {
        return otherwise;
    }
    unsigned long number = strtoul(*at + 1, &end, 10);

    *at = end;
    return number <= UINT32_MAX ? (uint32_t)number : UINT32_MAX;
}

static bool starts_with(const char **at, const char *word)
{
    size_t length = strlen(word);

    if (strncmp(*at, word, length) != 0) {
        return false;
    }
    *at += length;
    return true;
}

/* What comes behind the first slash. False: it is none. */
static bool read_order(const char *at, struct order *order)
{
    order->is_static = starts_with(&at, "static");
    if (!order->is_static && !starts_with(&at, "heap")) {
        return false;
    }
    order->is_written = starts_with(&at, "-written");
    order->bytes = next_number(&at, NUMBER_DEFAULT);
    order->piece = next_number(&at, order->bytes < PIECE_MAX ? order->bytes : PIECE_MAX);
    order->offset = next_number(&at, 0);
    return *at == ' ' && order->bytes % 4 == 0 && order->piece % 4 == 0 && order->piece != 0 &&
           order->piece <= PIECE_MAX && order->offset < PAGE_BYTES;
}

static void answer(int fd, const char *request)
{
    struct order order;

    if (!starts_with(&request, "GET /")) {
        (void)send_all(fd, not_found, sizeof(not_found) - 1);
    } else if (starts_with(&request, "metrics ")) {
        serve_metrics(fd);
    } else if (read_order(request, &order)) {
        serve_bytes(fd, &order);
    } else {
        (void)send_all(fd, not_found, sizeof(not_found) - 1);
    }
}

/* A request without a body, whole. False: none has come. */
static bool receive_request(int fd, char *request)
{
    size_t received = 0;

    do {
        ssize_t bytes = recv(fd, request + received, REQUEST_BYTES - 1 - received, 0);

        if (bytes <= 0) {
            return false;
        }
        received += (size_t)bytes;
        request[received] = '\0';
    } while (strstr(request, "\r\n\r\n") == NULL);
    return true;
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    static char request[REQUEST_BYTES];
    int listening = socket(AF_INET, SOCK_STREAM, 0);

    (void)argc;
    (void)argv;
    if (listening < 0 || bind(listening, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(listening, SOMAXCONN) != 0) {
        printf("no port %d: error %d\n", PORT, errno);
        return EXIT_FAILURE;
    }
    printf("sends bytes to who asks at port %d\n", PORT);
    for (;;) {
        int fd = accept(listening, NULL, NULL);

        if (fd < 0) {
            printf("accepting ends: error %d\n", errno);
            return EXIT_FAILURE;
        }
        if (receive_request(fd, request)) {
            answer(fd, request);
        }
        close(fd);
    }
}
