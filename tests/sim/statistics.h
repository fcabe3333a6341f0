/* SPDX-License-Identifier: MIT */
/*
 * What a run leaves behind: a record of each connection that was served, how many came and how each
 * ended, and the accounts by which Little's law is held.
 */
#pragma once

#include "kernel/base.h"

struct record {
    uint64_t available_ns; /* when an application was first told of it */
    uint64_t service_ns;   /* from then until its TS saw the close */
    uint64_t wait_ns;      /* of that, before it was served */
    uint16_t application;
    bool is_local; /* the application was one of the own of the CM that its SYN came to */
};

/* How many there are of something, added up over time; and how long each was there. */
struct account {
    uint64_t count;
    uint64_t changed_ns;
    uint64_t count_ns; /* the integral of `count` until then */
    uint64_t stay_ns;  /* of all that have left, added up */
    uint64_t left_count;
};

struct statistics {
    struct record *records;
    size_t record_count, capacity;
    uint64_t arrived, served, refused;
    struct account in_system;  /* connections from SYN to end */
    struct account in_service; /* those that an application serves just now */
};

void statistics_add_record(struct statistics *statistics, const struct record *record);
void statistics_release(struct statistics *statistics);

void account_enter(struct account *account, uint64_t now_ns);
void account_leave(struct account *account, uint64_t now_ns, uint64_t entered_ns);

/* At the end of a run, when nothing is under way: every connection has ended exactly once, and
 * Little's law (L = lambda * W) holds to the nanosecond. Fails an ASSERT otherwise. */
void statistics_check(const struct statistics *statistics);

/* Sorts the values. */
void sort_values(uint64_t *values, size_t count);
/* By the nearest rank, of sorted values, of which there is one at least; `share` is above 0 and at
 * most 1: 0.99 for the 99th percentile. */
uint64_t percentile(const uint64_t *sorted, size_t count, double share);
