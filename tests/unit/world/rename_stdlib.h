/* SPDX-License-Identifier: MIT */
/*
 * Lets Talus' <stdlib.h> stand beside the host's in one unit test: see rename_sockets.h.
 */
#pragma once

#define _exit    talus__exit
#define abort    talus_abort
#define abs      talus_abs
#define atoi     talus_atoi
#define atol     talus_atol
#define atoll    talus_atoll
#define bsearch  talus_bsearch
#define exit     talus_exit
#define getenv   talus_getenv
#define getpid   talus_getpid
#define labs     talus_labs
#define llabs    talus_llabs
#define qsort    talus_qsort
#define rand     talus_rand
#define srand    talus_srand
#define strtol   talus_strtol
#define strtoll  talus_strtoll
#define strtoul  talus_strtoul
#define strtoull talus_strtoull
#define sysconf  talus_sysconf
