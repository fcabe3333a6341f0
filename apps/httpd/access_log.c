/* SPDX-License-Identifier: MIT */
/*
 * Where lines of the access log go.
 */
#include "apps/httpd/access_log.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "apps/httpd/access_line.h"
#include "apps/httpd/host.h"
#include "apps/httpd/request.h"
#include "apps/httpd/response.h"
#include "apps/syslog/collector.h"
#include "apps/syslog/message.h"
#include "libc/core/format.h"

/* A line of Talus' own log has 256 bytes with what stands before its text. */
#define CONSOLE_LINE_MAX_BYTES 216
/* What a serial port of 115,200 baud prints. The rest would push out what else the log tells. */
#define CONSOLE_LINES_PER_S    50

/* What the header of syslog takes, with a name of the host as long as an address. */
#define SYSLOG_HEADER_MAX_BYTES 120

/* How often the log says that lines are lost. Chosen. */
#define LOSS_INTERVAL_S 10

bool access_log_is_on;

static struct {
    bool has_console;
    bool has_collector;
    struct sockaddr_in collector;
    int fd;
} to = {.fd = -1};

/* Of this second. */
static time_t console_s;
static unsigned console_count;

static uint64_t lost_count; /* since the log has said so */
static time_t loss_told_s;

/* --- The option --- */

/* Up to the comma or the end. */
static bool choose(const char *word, size_t bytes)
{
    struct syslog_collector collector;

    if (bytes == strlen("console") && memcmp(word, "console", bytes) == 0) {
        to.has_console = true;
        return true;
    }
    if (to.has_collector || !syslog_read_collector(word, bytes, &collector)) {
        return false;
    }
    to.has_collector = true;
    to.collector = (struct sockaddr_in){.sin_family = AF_INET,
                                        .sin_port = htons(collector.port),
                                        .sin_addr.s_addr = collector.address};
    return true;
}

bool access_log_choose(const char *destinations)
{
    const char *word = destinations, *comma;

    while ((comma = strchr(word, ',')) != NULL) {
        if (!choose(word, (size_t)(comma - word))) {
            return false;
        }
        word = comma + 1;
    }
    access_log_is_on = choose(word, strlen(word));
    return access_log_is_on;
}

/* Bound at once, because that may wait on Talus, and a request shall not. */
int access_log_start(void)
{
    const struct sockaddr_in any = {.sin_family = AF_INET};

    if (!to.has_collector) {
        return 0;
    }
    to.fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (to.fd < 0) {
        return -1;
    }
    if (bind(to.fd, (const struct sockaddr *)&any, sizeof(any)) != 0) {
        int error = errno;
        close(to.fd);
        to.fd = -1;
        errno = error;
        return -1;
    }
    return 0;
}

/* --- Lines --- */

static void count(bool is_sent, time_t now_s)
{
    host_count_access_line(is_sent);
    if (is_sent) {
        return;
    }
    lost_count++;
    if (loss_told_s == 0 || now_s - loss_told_s >= LOSS_INTERVAL_S || now_s < loss_told_s) {
        fprintf(stderr, "lines of the access log that are lost: %llu\n",
                (unsigned long long)lost_count);
        loss_told_s = now_s;
        lost_count = 0;
    }
}

static void print(const struct access_entry *entry)
{
    char text[CONSOLE_LINE_MAX_BYTES + 1];
    struct output line;

    if (console_s != entry->time_s) {
        console_s = entry->time_s;
        console_count = 0;
    }
    if (console_count == CONSOLE_LINES_PER_S) {
        count(false, entry->time_s);
        return;
    }
    console_count++;
    output_start(&line, text, sizeof(text));
    access_line_append(&line, entry, CONSOLE_LINE_MAX_BYTES);
    puts(text);
    fflush(stdout);
    count(true, entry->time_s);
}

static void send_line(const struct access_entry *entry, const struct timespec *now)
{
    static char text[SYSLOG_DATAGRAM_MAX_BYTES - SYSLOG_HEADER_MAX_BYTES + 1];
    static char datagram[SYSLOG_DATAGRAM_MAX_BYTES + 1];
    char host[HOST_NAME_BYTES], process[sizeof("node4294967295")];
    struct output line, message;

    host_name(host);
    (void)format_text(process, sizeof(process), "node%u", host_node()); /* it fits */
    output_start(&line, text, sizeof(text));
    access_line_append(&line, entry, sizeof(text) - 1);
    output_start(&message, datagram, sizeof(datagram));
    syslog_append(&message, &(struct syslog_message){.facility = SYSLOG_LOCAL7,
                                                     .severity = SYSLOG_INFO,
                                                     .time = *now,
                                                     .host = host,
                                                     .application = "httpd",
                                                     .process = process,
                                                     .kind = "access",
                                                     .text = text,
                                                     .text_bytes = line.length});
    count(sendto(to.fd, datagram, output_fitting_bytes(&message), MSG_DONTWAIT | MSG_NOSIGNAL,
                 (const struct sockaddr *)&to.collector, sizeof(to.collector)) >= 0,
          entry->time_s);
}

/* All of a response but its head. */
static size_t content_of(const struct response *response)
{
    static const char head_end[] = "\r\n\r\n";
    const size_t end_bytes = sizeof(head_end) - 1;

    for (size_t i = 0; i + end_bytes <= response->head_bytes; i++) {
        if (memcmp(response->head + i, head_end, end_bytes) == 0) {
            return response->head_bytes - i - end_bytes + response->body_bytes;
        }
    }
    return response->body_bytes;
}

void access_log_write(int fd, const char *head, size_t head_bytes, const struct response *response)
{
    struct sockaddr_in peer = {0};
    socklen_t peer_bytes = sizeof(peer);
    struct timespec now;

    if (getpeername(fd, (struct sockaddr *)&peer, &peer_bytes) != 0) {
        peer.sin_addr.s_addr = 0;
    }
    clock_gettime(CLOCK_REALTIME, &now);
    const struct access_entry entry = {
        .address = peer.sin_addr.s_addr,
        .time_s = now.tv_sec,
        .head = head,
        .head_bytes = head_bytes,
        .status = response->status,
        .content_bytes = content_of(response),
    };
    if (to.has_console) {
        print(&entry);
    }
    if (to.has_collector) {
        send_line(&entry, &now);
    }
}

/* Up to its last field; what follows there may be its body. One without any field has no body, and
 * what is told of its head ends before the version. */
void access_log_write_request(int fd, const struct request *request, const char *head,
                              const char *end, const struct response *response)
{
    bool has_field = request->head_bytes > request->target.offset + request->target.bytes;

    access_log_write(fd, head, has_field ? request->head_bytes : (size_t)(end - head), response);
}
