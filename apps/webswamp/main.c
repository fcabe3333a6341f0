/* SPDX-License-Identifier: MIT */
/*
 * webswamp: a load generator for web servers (HTTP/1.1), after the one that came with Cheetah
 * (Ganger et al., ACM TOCS 2002).
 *
 * A plain POSIX program with Linux's epoll: the same sources run on Talus and on Linux. One thread,
 * one event loop.
 */
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "apps/webswamp/host.h"
#include "apps/webswamp/load.h"
#include "apps/webswamp/options.h"
#include "apps/webswamp/report.h"
#include "apps/webswamp/targets.h"
#include "libc/core/base.h"

/* Beyond the time-out: nodes do not begin in the same moment. */
#define OTHERS_PATIENCE_NS (10 * NS_PER_S)

#define STATUS_HAD_ERRORS 1
#define STATUS_NOT_LOADED 2

static struct options options;
static struct result result;

static void wait_before(uint64_t after_ns)
{
    struct timespec duration = {.tv_sec = (time_t)(after_ns / NS_PER_S),
                                .tv_nsec = (long)(after_ns % NS_PER_S)};

    if (after_ns != 0) {
        printf("begins in %llu ms\n", (unsigned long long)(after_ns / 1000000));
        fflush(stdout);
        nanosleep(&duration, NULL);
    }
}

/* The address of one that has a name. False: it was said why there is none. */
static bool find_server(void)
{
    const struct addrinfo wanted = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    struct sockaddr_in first;
    int error;

    if (options.name[0] == '\0') {
        return true;
    }
    error = getaddrinfo(options.name, NULL, &wanted, &found);
    if (error != 0) {
        fprintf(stderr, "webswamp: %s: %s\n", options.name, gai_strerror(error));
        return false;
    }
    memcpy(&first, found->ai_addr, sizeof(first));
    freeaddrinfo(found);
    options.address = first.sin_addr.s_addr;
    return true;
}

/* Returns the program's status. */
static int load_and_tell(void)
{
    struct report report;
    int error;

    report_print_plan(&options);
    wait_before(options.after_ns);
    error = load_run(&options, &result);
    if (error != 0) {
        fprintf(stderr, "webswamp: %s\n", strerror(-error));
        return STATUS_NOT_LOADED;
    }
    report_make(&report, &result);
    report_print(&report, "latency");
    load_host_publish(&result);
    load_host_total(options.timeout_ns + OTHERS_PATIENCE_NS);
    return result_error_count(&result) == 0 ? EXIT_SUCCESS : STATUS_HAD_ERRORS;
}

int main(int argc, char **argv)
{
    char reason[128];
    int status = STATUS_NOT_LOADED;

    if (!options_parse(&options, argc, argv, reason, sizeof(reason))) {
        fprintf(stderr, "webswamp: %s\n", reason);
        options_print_usage();
        return STATUS_NOT_LOADED;
    }
    if (!load_host_start(options.connections)) {
        fprintf(stderr, "webswamp: there is no address\n");
    } else if (!find_server()) {
        status = STATUS_NOT_LOADED;
    } else if (!targets_make(&options)) {
        fprintf(stderr, "webswamp: no memory\n");
    } else {
        status = load_and_tell();
    }
    targets_release();
    return status;
}
