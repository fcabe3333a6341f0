/* SPDX-License-Identifier: MIT */
/*
 * forward's command line: pairs of an option and its value. --listen begins a service, and what
 * follows is said of that.
 */
#include "apps/forward/configuration.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "libc/core/numbers.h"

#define INTERVAL_MS     2000u
#define INTERVAL_MS_MAX 3600000u
#define RISE            2u
#define FALL            3u
#define COUNT_MAX       100u
#define CONNECT_MS      3000u
#define CONNECT_MS_MAX  60000u
#define IDLE_S          300u
#define IDLE_S_MAX      86400u
#define ADDRESS_BYTES   16u /* 255.255.255.255 and a zero */

struct reader {
    struct forward_configuration *configuration;
    struct service *service; /* the last one; NULL: none yet */
    const char *reason;
};

static bool read_number(const char *text, size_t length, unsigned least, unsigned most,
                        unsigned *number)
{
    uint64_t value;

    if (number_parse(text, length, 10, most, &value) != 0 || value < least) {
        return false;
    }
    *number = (unsigned)value;
    return true;
}

static bool read_whole(const char *text, unsigned least, unsigned most, unsigned *number)
{
    return read_number(text, strlen(text), least, most, number);
}

/* The value's place in a list of words. */
static bool read_word(const char *text, const char *const *words, unsigned *index)
{
    for (unsigned i = 0; words[i] != NULL; i++) {
        if (strcmp(text, words[i]) == 0) {
            *index = i;
            return true;
        }
    }
    return false;
}

/* --- Backends --- */

static bool read_address(const char *text, size_t length, struct in_addr *address)
{
    char copy[ADDRESS_BYTES];

    if (length >= sizeof(copy)) {
        return false;
    }
    memcpy(copy, text, length);
    copy[length] = '\0';
    return inet_pton(AF_INET, copy, address) == 1 && address->s_addr != 0;
}

/* ADDRESS:PORT, or ADDRESS:PORT*WEIGHT. */
static bool read_backend(const char *text, size_t length, struct backend *backend)
{
    const char *end = text + length;
    const char *colon = memchr(text, ':', length);
    const char *star = colon != NULL ? memchr(colon, '*', (size_t)(end - colon)) : NULL;
    const char *port_end = star != NULL ? star : end;
    unsigned port;

    backend->address.sin_family = AF_INET;
    backend->weight = 1;
    if (colon == NULL || !read_address(text, (size_t)(colon - text), &backend->address.sin_addr) ||
        !read_number(colon + 1, (size_t)(port_end - colon) - 1, 1, UINT16_MAX, &port)) {
        return false;
    }
    backend->address.sin_port = htons((uint16_t)port);
    return star == NULL ||
           read_number(star + 1, (size_t)(end - star) - 1, 1, WEIGHT_MAX, &backend->weight);
}

static bool is_there(const struct service *service, const struct backend *backend)
{
    for (unsigned i = 0; i < service->backend_count; i++) {
        const struct sockaddr_in *address = &service->backends[i].address;

        if (address->sin_addr.s_addr == backend->address.sin_addr.s_addr &&
            address->sin_port == backend->address.sin_port) {
            return true;
        }
    }
    return false;
}

static bool add_backend(struct reader *reader, const char *text, size_t length)
{
    struct forward_configuration *configuration = reader->configuration;
    struct service *service = reader->service;
    struct backend *backend = &configuration->backends[configuration->backend_count];

    if (configuration->backend_count == BACKEND_MAX) {
        reader->reason = "too many backends";
        return false;
    }
    *backend = (struct backend){.number = configuration->backend_count};
    if (!read_backend(text, length, backend)) {
        reader->reason = "no ADDRESS:PORT or ADDRESS:PORT*WEIGHT";
        return false;
    }
    if (is_there(service, backend)) {
        reader->reason = "a backend is there twice";
        return false;
    }
    configuration->backend_count++;
    service->backend_count++;
    return true;
}

/* Once for a service, so that its backends lie together. */
static bool read_backends(struct reader *reader, const char *text)
{
    if (reader->service->backend_count != 0) {
        reader->reason = "a service has one list of backends";
        return false;
    }
    for (;;) {
        size_t length = strcspn(text, ",");

        if (!add_backend(reader, text, length)) {
            return false;
        }
        if (text[length] == '\0') {
            return true;
        }
        text += length + 1;
    }
}

/* --- The other options --- */

static bool begin_service(struct reader *reader, const char *text)
{
    struct forward_configuration *configuration = reader->configuration;
    unsigned port;

    if (configuration->service_count == SERVICE_MAX) {
        reader->reason = "too many services";
        return false;
    }
    if (!read_whole(text, 1, UINT16_MAX, &port)) {
        return false;
    }
    for (unsigned i = 0; i < configuration->service_count; i++) {
        if (configuration->services[i].port == port) {
            reader->reason = "that port has a service";
            return false;
        }
    }
    reader->service = &configuration->services[configuration->service_count++];
    *reader->service = (struct service){
        .port = (uint16_t)port,
        .interval_ms = INTERVAL_MS,
        .rise = RISE,
        .fall = FALL,
        .connect_ms = CONNECT_MS,
        .idle_s = IDLE_S,
        .backends = &configuration->backends[configuration->backend_count],
    };
    return true;
}

/* tcp, none, or http:/PATH. */
static bool read_check(struct service *service, const char *text)
{
    static const char http[] = "http:";
    static const char *const words[] = {"tcp", "http", "none", NULL};
    unsigned check;

    if (strncmp(text, http, sizeof(http) - 1) == 0) {
        const char *path = text + sizeof(http) - 1;

        service->check = CHECK_HTTP;
        if (path[0] != '/' || strlen(path) >= sizeof(service->check_path)) {
            return false;
        }
        strcpy(service->check_path, path);
        return true;
    }
    if (!read_word(text, words, &check)) {
        return false;
    }
    service->check = (enum check)check;
    strcpy(service->check_path, "/");
    return true;
}

static bool read_proxy(struct service *service, const char *text)
{
    static const char *const words[] = {"none", "v1", "v2", NULL};

    return read_word(text, words, &service->proxy_version);
}

static bool read_mode(struct service *service, const char *text)
{
    static const char *const words[] = {"stream", "copy", "segment", NULL};
    unsigned mode = 0;
    bool is_good = read_word(text, words, &mode);

    service->mode = (enum mode)mode;
    return is_good;
}

static bool read_balance(struct service *service, const char *text)
{
    static const char *const words[] = {"round-robin", "least", "hash", NULL};
    unsigned balance = 0;
    bool is_good = read_word(text, words, &balance);

    service->balance = (enum balance)balance;
    return is_good;
}

static bool read_of_service(struct reader *reader, const char *name, const char *value)
{
    struct service *service = reader->service;

    if (strcmp(name, "--backends") == 0) {
        return read_backends(reader, value);
    }
    if (strcmp(name, "--mode") == 0) {
        return read_mode(service, value);
    }
    if (strcmp(name, "--balance") == 0) {
        return read_balance(service, value);
    }
    if (strcmp(name, "--check") == 0) {
        return read_check(service, value);
    }
    if (strcmp(name, "--interval") == 0) {
        return read_whole(value, 10, INTERVAL_MS_MAX, &service->interval_ms);
    }
    if (strcmp(name, "--rise") == 0) {
        return read_whole(value, 1, COUNT_MAX, &service->rise);
    }
    if (strcmp(name, "--fall") == 0) {
        return read_whole(value, 1, COUNT_MAX, &service->fall);
    }
    if (strcmp(name, "--connect-timeout") == 0) {
        return read_whole(value, 10, CONNECT_MS_MAX, &service->connect_ms);
    }
    if (strcmp(name, "--idle") == 0) {
        return read_whole(value, 1, IDLE_S_MAX, &service->idle_s);
    }
    if (strcmp(name, "--proxy") == 0) {
        return read_proxy(service, value);
    }
    reader->reason = "no such option";
    return false;
}

static bool read_option(struct reader *reader, const char *name, const char *value)
{
    unsigned port;

    if (strcmp(name, "--listen") == 0) {
        return begin_service(reader, value);
    }
    if (strcmp(name, "--status") == 0) {
        bool is_good = read_whole(value, 1, UINT16_MAX, &port);

        reader->configuration->status_port = is_good ? (uint16_t)port : 0;
        return is_good;
    }
    if (reader->service == NULL) {
        reader->reason = "--listen comes first";
        return false;
    }
    return read_of_service(reader, name, value);
}

/* What no option alone can tell. */
static const char *find_contradiction(const struct forward_configuration *configuration)
{
    if (configuration->service_count == 0) {
        return "no --listen";
    }
    for (unsigned i = 0; i < configuration->service_count; i++) {
        const struct service *service = &configuration->services[i];

        if (service->backend_count == 0) {
            return "a service without --backends";
        }
        if (service->mode == MODE_SEGMENT && service->proxy_version != 0) {
            return "--proxy needs --mode stream: in a segment there is no room for it";
        }
        if (service->port == configuration->status_port) {
            return "--status has the port of a service";
        }
    }
    return NULL;
}

bool configuration_read(struct forward_configuration *configuration, int argc, char **argv,
                        char *reason, size_t size)
{
    struct reader reader = {.configuration = configuration};
    const char *contradiction;

    *configuration = (struct forward_configuration){.service_count = 0};
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 == argc) {
            (void)snprintf(reason, size, "%s: no value", argv[i]);
            return false;
        }
        reader.reason = "not a possible value";
        if (!read_option(&reader, argv[i], argv[i + 1])) {
            (void)snprintf(reason, size, "%s: %s: %s", argv[i], reader.reason, argv[i + 1]);
            return false;
        }
    }
    contradiction = find_contradiction(configuration);
    if (contradiction != NULL) {
        (void)snprintf(reason, size, "%s", contradiction);
    }
    return contradiction == NULL;
}
