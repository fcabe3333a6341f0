/* SPDX-License-Identifier: MIT */
/*
 * What lwIP asks of compiler and platform, as the reference.
 */
#pragma once

#include <stdlib.h>

/* An assertion of the reference's is a finding, not a failure: see reference.h. */
void reference_note_assertion(const char *text);

#define LWIP_PLATFORM_ASSERT(text) reference_note_assertion(text)
#define LWIP_PLATFORM_DIAG(arguments)
#define LWIP_RAND() ((u32_t)rand())

/* Numbers 2^31 apart are before each other to lwIP 2.1: see net/transport/lwip/hooks.h. Segments
 * for which that matters do not reach it here. */
