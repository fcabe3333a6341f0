/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/both_calls.c tests/unit/world/socket_world.c tests/unit/world/application_world.c */
/* flags: -D_GNU_SOURCE -include tests/unit/world/rename_sockets.h */
/*
 * Tests getaddrinfo() and its kin against Linux' C library: scripts are run on both and must tell
 * the same, where no server is asked. What servers say the test makes up: it plays the speaker.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>

#include "kernel/message/dispatch.h"
#include "kernel/thread/thread.h"
#include "tests/unit/world/both_calls.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/socket_world.h"

#define ON      const struct both_calls *on, struct record *record
#define SPEAKER 0

static void tell_list(struct record *record, const struct addrinfo *list)
{
    for (; list != NULL; list = list->ai_next) {
        const struct sockaddr_in *address = (const struct sockaddr_in *)(void *)list->ai_addr;

        if (list->ai_socktype == 3) {
            continue; /* raw sockets, which Talus has not */
        }
        tell(record, " flags %#x family %d type %d protocol %d length %u name %s", list->ai_flags,
             list->ai_family, list->ai_socktype, list->ai_protocol, list->ai_addrlen,
             list->ai_canonname != NULL ? list->ai_canonname : "none");
        tell(record, " address %#x port %u\n", ntohl(address->sin_addr.s_addr),
             ntohs(address->sin_port));
    }
}

static void try_hints(ON, const char *node, const char *service, const struct addrinfo *hints)
{
    struct addrinfo *list = NULL;
    int error = on->do_getaddrinfo(node, service, hints, &list);

    tell(record, "%s %s: %d\n", node != NULL ? node : "-", service != NULL ? service : "-", error);
    if (error == 0) {
        tell_list(record, list);
        on->do_freeaddrinfo(list);
    }
}

static void try(ON, const char *node, const char *service, int flags, int type, int protocol)
{
    const struct addrinfo hints = {
        .ai_flags = flags, .ai_family = AF_INET, .ai_socktype = type, .ai_protocol = protocol};

    try_hints(on, record, node, service, &hints);
}

static void numbers_script(ON)
{
    static const char *const nodes[] = {"192.0.2.1", "127.1",       "0x7f000001", "010.0.0.1",
                                        "1.2.3",     "1.2.3.4.5",   "256.1",      "1.2.65536",
                                        "1..2",      "192.0.2.1 x", "",           "0x",
                                        "1.2.3.",    "4294967295",  "4294967296", "08.1.1.1"};

    for (unsigned i = 0; i < ARRAY_COUNT(nodes); i++) {
        try(on, record, nodes[i], "80", AI_NUMERICHOST, SOCK_STREAM, 0);
    }
    try_hints(on, record, "192.0.2.1", "80", NULL);
    try(on, record, "192.0.2.1", "53", AI_CANONNAME | AI_NUMERICHOST, 0, 0);
    try(on, record, "192.0.2.1", NULL, AI_NUMERICHOST, SOCK_DGRAM, 0);
}

static void wishes_script(ON)
{
    const struct addrinfo other_family = {.ai_family = 9};

    try(on, record, NULL, NULL, 0, 0, 0);
    try(on, record, NULL, "80", 0, 0, 0);
    try(on, record, NULL, "80", AI_PASSIVE, SOCK_STREAM, 0);
    try(on, record, NULL, "80", AI_PASSIVE | AI_ADDRCONFIG, 0, IPPROTO_UDP);
    try(on, record, NULL, "80", AI_CANONNAME, SOCK_STREAM, 0);
    try(on, record, NULL, "80", 0x8000, SOCK_STREAM, 0);
    try(on, record, NULL, "80x", AI_NUMERICSERV, SOCK_STREAM, 0);
    try(on, record, NULL, "no-such-service", 0, SOCK_STREAM, 0);
    try(on, record, NULL, "80", 0, SOCK_STREAM, IPPROTO_UDP);
    try(on, record, NULL, "80", 0, 77, 0);
    try(on, record, NULL, "80", 0, 0, 77);
    try(on, record, "a name", "80", AI_NUMERICHOST, SOCK_STREAM, 0);
    try(on, record, "talus.test", "80", AI_NUMERICHOST, SOCK_STREAM, 0);
    try_hints(on, record, "127.0.0.1", "80", &other_family);
}

static void name(ON, socklen_t node_bytes, socklen_t service_bytes, int flags)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(47099), .sin_addr.s_addr = htonl(0xC0000201)};
    char node[64] = "-", service[16] = "-";
    int error = on->do_getnameinfo((const struct sockaddr *)&address, sizeof(address), node,
                                   node_bytes, service, service_bytes, flags);

    tell(record, "%u %u %#x: %d %s %s\n", node_bytes, service_bytes, flags, error,
         error == 0 ? node : "", error == 0 ? service : "");
}

static void names_of_addresses_script(ON)
{
    const struct sockaddr other = {.sa_family = 77};

    name(on, record, 64, 16, NI_NUMERICHOST | NI_NUMERICSERV);
    name(on, record, 64, 16, NI_NUMERICHOST);
    name(on, record, 10, 6, NI_NUMERICHOST | NI_NUMERICSERV);
    name(on, record, 9, 6, NI_NUMERICHOST | NI_NUMERICSERV);
    name(on, record, 10, 5, NI_NUMERICHOST | NI_NUMERICSERV);
    name(on, record, 0, 6, NI_NUMERICSERV | NI_DGRAM);
    name(on, record, 10, 0, NI_NUMERICHOST);
    name(on, record, 10, 6, 0x8000);
    tell(record, "short: %d\n", on->do_getnameinfo(&other, 2, NULL, 0, NULL, 0, 0));
    tell(record, "other: %d\n", on->do_getnameinfo(&other, sizeof(other), NULL, 0, NULL, 0, 0));
}

#define ON_BOTH(script)                                                                            \
    static void script##_is_as_on_linux(void **state)                                              \
    {                                                                                              \
        (void)state;                                                                               \
        both_network = NULL;                                                                       \
        run_on_both(script);                                                                       \
    }
ON_BOTH(numbers_script)
ON_BOTH(wishes_script)
ON_BOTH(names_of_addresses_script)

/* --- With servers --- */

static const char *wanted_name;
static enum resolve_kind wanted_kind;
static struct resolved answer;
static const char *answer_payload;
static size_t answer_bytes;
static bool is_done;

static void play_speaker(void)
{
    const struct resolve *asked = (const struct resolve *)fake_take_message(SPEAKER);

    if (asked != NULL && asked->header.type == RESOLVE) {
        struct message_payload payload = fake_payload(asked, sizeof(*asked));

        assert_int_equal(asked->kind, wanted_kind);
        assert_int_equal(payload.length_bytes, strlen(wanted_name));
        assert_memory_equal(payload.bytes, wanted_name, payload.length_bytes);
        answer.header.type = RESOLVED;
        answer.request_number = asked->request_number;
        fake_deliver_payload(SPEAKER, &answer.header, sizeof(answer), answer_payload, answer_bytes);
    }
}

static void run_in_thread(void (*function)(void *))
{
    is_done = false;
    assert_non_null(thread_create("names", function, NULL));
    for (unsigned i = 0; !is_done; i++) {
        assert_true(i < 1000);
        dispatch_round();
        play_speaker();
    }
}

static void say_found(void)
{
    wanted_name = "www.talus.test";
    wanted_kind = RESOLVE_ADDRESSES;
    answer = (struct resolved){.address_count = 2, .name_bytes = 8};
    answer_payload = "\300\0\2\1\300\0\2\2end.test";
    answer_bytes = 16;
}

static void find_both(void *unused)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_CANONNAME};
    struct addrinfo *list = NULL;
    struct sockaddr_in address;
    struct hostent *host;

    (void)unused;
    assert_int_equal(getaddrinfo("www.Talus.test", "http", &hints, &list), 0);
    assert_string_equal(list->ai_canonname, "end.test");
    memcpy(&address, list->ai_addr, sizeof(address));
    assert_int_equal(address.sin_addr.s_addr, htonl(0xC0000201));
    assert_int_equal(address.sin_port, htons(80));
    assert_null(list->ai_next->ai_canonname);
    memcpy(&address, list->ai_next->ai_addr, sizeof(address));
    assert_int_equal(address.sin_addr.s_addr, htonl(0xC0000202));
    assert_null(list->ai_next->ai_next);
    freeaddrinfo(list);
    host = gethostbyname("www.talus.test");
    assert_string_equal(host->h_name, "end.test");
    assert_memory_equal(host->h_addr_list[1], "\300\0\2\2", 4);
    assert_null(host->h_addr_list[2]);
    is_done = true;
}

static void addresses_that_a_server_tells_are_all_in_the_list(void **state)
{
    (void)state;
    say_found();
    run_in_thread(find_both);
}

static int error_wanted;

static void find_none(void *unused)
{
    struct addrinfo *list = NULL;

    (void)unused;
    assert_int_equal(getaddrinfo(wanted_name, "80", NULL, &list), error_wanted);
    assert_null(gethostbyname(wanted_name));
    is_done = true;
}

static void each_way_to_find_nothing_has_its_error(void **state)
{
    static const int errors[] = {[RESOLVED_NO_NAME] = EAI_NONAME,
                                 [RESOLVED_NO_DATA] = EAI_NODATA,
                                 [RESOLVED_AGAIN] = EAI_AGAIN};

    (void)state;
    for (unsigned result = RESOLVED_NO_NAME; result <= RESOLVED_LIMIT; result++) {
        say_found();
        answer = (struct resolved){.result = (uint8_t)result};
        answer_bytes = 0;
        error_wanted = errors[result];
        run_in_thread(find_none);
    }
}

static void find_local(void *unused)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_DGRAM};
    struct addrinfo *list = NULL;
    struct sockaddr_in address;

    (void)unused;
    assert_int_equal(getaddrinfo("x.LocalHost.", "domain", &hints, &list), 0);
    memcpy(&address, list->ai_addr, sizeof(address));
    assert_int_equal(address.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
    assert_int_equal(address.sin_port, htons(53));
    assert_null(list->ai_next);
    freeaddrinfo(list);
    assert_int_equal(
        getaddrinfo("127.0.0.1", "ntp", &(struct addrinfo){.ai_socktype = SOCK_STREAM}, &list),
        EAI_SERVICE);
    assert_int_equal(getaddrinfo("a b", "80", NULL, &list), EAI_NONAME);
    is_done = true;
}

static void local_names_and_services_need_no_server(void **state)
{
    (void)state;
    run_in_thread(find_local);
    fake_expect_no_message(SPEAKER);
}

static void find_pointer(void *unused)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(443), .sin_addr.s_addr = htonl(0xC0000201)};
    char node[NI_MAXHOST], service[NI_MAXSERV];
    int flags = error_wanted != 0 ? NI_NAMEREQD : 0;

    (void)unused;
    assert_int_equal(getnameinfo((const struct sockaddr *)&address, sizeof(address), node,
                                 sizeof(node), service, sizeof(service), flags),
                     error_wanted);
    if (error_wanted == 0) {
        assert_string_equal(node, answer.result == RESOLVED_FOUND ? "a.test" : "192.0.2.1");
        assert_string_equal(service, "https");
    }
    is_done = true;
}

static void an_address_has_the_name_that_its_server_tells_or_its_number(void **state)
{
    (void)state;
    wanted_name = "1.2.0.192.in-addr.arpa";
    wanted_kind = RESOLVE_NAME;
    answer = (struct resolved){.name_bytes = 6};
    answer_payload = "a.test";
    answer_bytes = 6;
    error_wanted = 0;
    run_in_thread(find_pointer);
    answer = (struct resolved){.result = RESOLVED_NO_NAME};
    answer_bytes = 0;
    run_in_thread(find_pointer);
    error_wanted = EAI_NONAME;
    run_in_thread(find_pointer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SOCKET_TEST(numbers_script_is_as_on_linux),
        SOCKET_TEST(wishes_script_is_as_on_linux),
        SOCKET_TEST(names_of_addresses_script_is_as_on_linux),
        SOCKET_TEST(addresses_that_a_server_tells_are_all_in_the_list),
        SOCKET_TEST(each_way_to_find_nothing_has_its_error),
        SOCKET_TEST(local_names_and_services_need_no_server),
        SOCKET_TEST(an_address_has_the_name_that_its_server_tells_or_its_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
