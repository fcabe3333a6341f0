/* SPDX-License-Identifier: MIT */
/*
 * A transport server that has come back serves again when it knows the machine's address, the card
 * and the ports that are served: so no SYN that its substitute would have answered is lost here.
 */
#pragma once

/* One of the three has become known. */
void readiness_check(void);
