/* SPDX-License-Identifier: MIT */
/* sources: net/transport/dns/packet.c net/domain_name.c tests/unit/world/panic.c */
/*
 * The input is an answer of a name server; its first byte says to which of two questions, and
 * whether it begins as an answer to that does, so that what stands behind is reached. What it says
 * is within its bounds, and its names are names.
 */
#include <stdlib.h>
#include <string.h>

#include "net/transport/dns/packet.h"
#include "tests/fuzz/fuzzer.h"

#define HEADER_BYTES 12u

static struct dns_question question_of(uint8_t choice)
{
    struct dns_question question = {.id = 0x1234, .has_edns = (choice & 4) != 0};

    question.kind = (choice & 1) != 0 ? RESOLVE_NAME : RESOLVE_ADDRESSES;
    strcpy(question.name, (choice & 1) != 0 ? "1.2.0.192.in-addr.arpa" : "www.talus.test");
    return question;
}

/* The question as it was sent, with the input's own flags and counts, and the rest behind it. */
static size_t put_question(uint8_t *packet, const uint8_t *input, size_t bytes,
                           const struct dns_question *question)
{
    struct dns_question plain = *question;
    uint8_t header[HEADER_BYTES] = {0x12, 0x34, 0x81, 0x80, 0, 1};
    size_t length;

    plain.has_edns = false;
    length = dns_write_question(packet, &plain);
    if (bytes > 0) {
        header[3] |= input[0] & 3;
        header[7] = input[0] >> 2 & 0x0F;
        header[9] = input[0] >> 6;
    }
    memcpy(packet, header, HEADER_BYTES);
    if (bytes > 1) {
        memcpy(packet + length, input + 1, bytes - 1);
        length += bytes - 1;
    }
    return length;
}

static void check_answer(const struct dns_answer *answer, const struct dns_question *question)
{
    char name[DOMAIN_NAME_BYTES];
    bool is_found = answer->result == RESOLVED_FOUND;

    FUZZ_CHECK(answer->result < RESOLVED_AGAIN);
    FUZZ_CHECK(answer->address_count <= RESOLVED_ADDRESS_MAX);
    FUZZ_CHECK((answer->address_count != 0) == (is_found && question->kind == RESOLVE_ADDRESSES));
    FUZZ_CHECK(is_found == (answer->name[0] != '\0'));
    FUZZ_CHECK(!is_found || (domain_name_copy(name, answer->name, strlen(answer->name)) &&
                             strcmp(name, answer->name) == 0));
}

void fuzz_one(const uint8_t *input, size_t bytes)
{
    struct dns_question question = question_of(bytes > 0 ? input[0] : 0);
    bool is_made = bytes > 0 && (input[0] & 2) != 0;
    uint8_t *packet = malloc(bytes + DNS_QUESTION_MAX_BYTES);
    struct dns_answer answer;
    size_t length = 0;

    FUZZ_CHECK(packet != NULL);
    if (is_made) {
        length = put_question(packet, input + 1, bytes - 1, &question);
    } else if (bytes > 1) {
        length = bytes - 1;
        memcpy(packet, input + 1, length);
    }
    /* It ends where its allocation does. */
    uint8_t *exact = malloc(length + 1);
    FUZZ_CHECK(exact != NULL);
    memcpy(exact + 1, packet, length);
    if (dns_read_answer(exact + 1, length, &question, &answer) == DNS_ANSWERED) {
        check_answer(&answer, &question);
    }
    free(exact);
    free(packet);
    FUZZ_CHECK(fuzz_block_count() == 0);
}
