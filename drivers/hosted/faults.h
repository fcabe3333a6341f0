/* SPDX-License-Identifier: MIT */
/*
 * Allocations that fail on purpose, in builds with slow checks: of one kind of memory so many, from
 * the n-th on, counted when the card's clients have reached the server. Each kind is counted, so
 * that who tests can see what he has missed, and what has not come back.
 */
#pragma once

#include "kernel/base.h"

/*
 * "KIND:FIRST:COUNT": let so many of that kind fail, FIRST the first of them, counted from 1;
 * `any`: of all kinds together. A word without numbers: only count. Returns whether that is
 * understood, and this build can do it.
 */
MUST_CHECK bool faults_parse(const char *words, size_t length);
/* "N.N. ... N": of each kind, in their set's order, so many objects are left when all is over. */
MUST_CHECK bool faults_parse_rest(const char *words, size_t length);

/* Whether anything has been asked for. */
bool faults_are_wanted(void);
/* From now on they are counted, and fail. Whether that begins with this call. */
bool faults_begin(void);
/* Whether no more is left of any kind than there should be. To be asked each LOOK of the clock: of
 * what is not known it is thought so when nothing has changed for long. */
bool faults_are_over(void);
/* The log is told of each kind: how many were wanted, failed and are left. */
void faults_report(void);
