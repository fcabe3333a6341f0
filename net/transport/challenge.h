/* SPDX-License-Identifier: MIT */
/*
 * Segments that a connection must not believe (RFC 5961). net/transport/lwip/hooks.h declares the
 * function that lwIP itself calls.
 */
#pragma once

/* Challenge ACKs of a transport server in a second: so many at least, and less than that many more,
 * drawn anew each time. */
#define CHALLENGES_LEAST  500u
#define CHALLENGES_SPREAD 1000u
