/* SPDX-License-Identifier: MIT */
/*
 * DNS's packets (RFC 1035 4): the question as it is sent, and what an answer says. Answers are
 * input from outside: anybody can send them, and what they hold is checked here, whole, before any
 * of it is used.
 */
#pragma once

#include "net/domain_name.h"
#include "net/name_messages.h"

#define DNS_PORT               53u
/* What we take in one packet, told to the server (RFC 6891): fits every link's MTU unfragmented. */
#define DNS_PACKET_MAX_BYTES   1232u
/* A header; a name, which has a byte before each label and one behind the last; and two records'
 * fixed parts. */
#define DNS_QUESTION_MAX_BYTES (12u + DOMAIN_NAME_MAX_BYTES + 2 + 4 + 11)

struct dns_question {
    uint16_t id;
    uint16_t kind; /* enum resolve_kind */
    bool has_edns; /* asked with RFC 6891's record, which old servers do not understand */
    char name[DOMAIN_NAME_BYTES];
};

struct dns_answer {
    uint8_t result;        /* enum resolve_result, but for RESOLVED_AGAIN */
    uint8_t address_count; /* what follows is as in struct resolved */
    uint32_t lifetime_s;   /* so long it may be kept; 0: not at all */
    uint32_t addresses[RESOLVED_ADDRESS_MAX];
    char name[DOMAIN_NAME_BYTES]; /* empty if it was not found */
};

enum dns_verdict {
    DNS_FOREIGN,        /* no answer to this question, or broken: the answer may still come */
    DNS_ANSWERED,       /* struct dns_answer says what */
    DNS_FAILED,         /* the server does not know: ask another */
    DNS_NOT_UNDERSTOOD, /* nor has it understood the question: ask without RFC 6891's record */
};

/* Returns how long the packet is. */
size_t dns_write_question(uint8_t packet[DNS_QUESTION_MAX_BYTES],
                          const struct dns_question *question);
enum dns_verdict dns_read_answer(const uint8_t *bytes, size_t length,
                                 const struct dns_question *question, struct dns_answer *answer);
