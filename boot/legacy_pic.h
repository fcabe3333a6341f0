/* SPDX-License-Identifier: MIT */
/*
 * The pair of 8259A interrupt controllers of a PC, which Talus does not use.
 */
#pragma once

/* Silence them: every line masked, and what still comes at vectors that hold no exception. Does
 * nothing on a machine without them. */
void legacy_pic_disable(void);
