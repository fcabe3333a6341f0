/* SPDX-License-Identifier: MIT */
/*
 * The version, in a file of its own: the Makefile builds it again when the version changes.
 */
#include "libc/core/version.h"

#ifndef TALUS_VERSION
#define TALUS_VERSION "unversioned" /* built without the Makefile's rule, as unit tests are */
#endif

const char talus_version[] = TALUS_VERSION;
