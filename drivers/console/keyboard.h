/* SPDX-License-Identifier: MIT */
/*
 * A PC's keyboard: the i8042 controller, scan codes of set 1, the US layout.
 */
#pragma once

#include "kernel/base.h"

/* Set up the controller and let the keyboard send; false when there is none. Bounded waits. */
bool keyboard_initialise(void);
/* One character that was typed, or -1; always -1 once the controller has vanished. */
int keyboard_read(void);

/*
 * What a byte from the keyboard types: an ASCII character (Enter is LF, Backspace BS, Ctrl with a
 * letter 1 to 26), or -1 for keys that type nothing, for releases, and for parts of longer codes.
 */
int keyboard_decode(uint8_t scan_code);
