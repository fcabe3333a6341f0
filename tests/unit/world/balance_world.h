/* SPDX-License-Identifier: MIT */
/*
 * One port of a connection manager as net/manager/balance/ sees it: acceptors of its own, offers of
 * other CMs, and no messages. What is drawn has a fixed seed.
 */
#pragma once

#include "net/manager/balance/balance.h"
#include "net/manager/listeners.h"

#define DRAWS   20000u
#define OWN_MAX 8u
#define MS      1000000u

extern struct listener_table table;
extern struct listener *listener; /* the port */
extern struct balance balance;    /* tournament:2 at first */
extern struct listening_application *own[OWN_MAX];

/* A test's set-up: nobody is there. */
int start_balance(void **state);
void balance_by(const char *text);

/* One more of our own, on the acceptor list. */
void own_application(uint64_t service_ns);
void own_becomes(unsigned index, uint64_t service_ns);
void own_stops_accepting(unsigned index);
void offer(node_id_t cm, uint64_t service_ns);
/* Whether its offer has passed the filter. */
bool does_count(node_id_t cm);

/* How often each was chosen, of DRAWS. */
extern unsigned chosen_own[OWN_MAX], chosen_offers[NODE_MAX], all_own, all_offers;
void choose_many(void);
/* So often, within a tenth and a little. */
void expect_share(unsigned count, double share);
/* What stays with our own when `own_weight` competes with `offered_weight`. */
double own_share(double own_weight, double offered_weight);
