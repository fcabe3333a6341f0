/* SPDX-License-Identifier: MIT */
/*
 * Which machines are explored, and what may happen to them.
 *
 * Counts are small, because the number of states grows by a factor with each thing that may happen.
 * What one scenario leaves out, another one has: each has what its mutants (mutants.py) need.
 */
#pragma once

#include "tests/proof/machine.h"

/* Nodes: servers from 0 on, then two applications. The scheme draws nothing by chance. */
#define APPLICATIONS " app=httpd:2 balance=least"

/* 0 is the TS, 1 the CM of both applications; in the other, 1 and 2 are the CMs of one each. */
#define ONE_MANAGER  "pika=TS1LS1+CM1" APPLICATIONS
#define TWO_MANAGERS "pika=TS1LS1+CM2" APPLICATIONS
/* TS and CM share a node, and so a round. */
#define ONE_SERVER   "pika=TS1LS1CM1" APPLICATIONS
#define TWO_SERVERS  "pika=TS2LS2CM2" APPLICATIONS

struct scenario_list {
    const struct scenario *scenarios;
    unsigned count;
};
extern const struct scenario_list plain_scenarios, granted_scenarios, long_scenarios;

/* Of all lists; NULL behind the last. */
const struct scenario *scenario_at(unsigned index);
const struct scenario *scenario_find(const char *name);
