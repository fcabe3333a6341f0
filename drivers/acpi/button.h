/* SPDX-License-Identifier: MIT */
/*
 * The power button as one of ACPI's fixed events (ACPI 4.8.2.2.1). On a machine whose button is
 * another device, as hardware-reduced ones have it, only AML tells where: it is not heard.
 */
#pragma once

#include "kernel/base.h"

/* Let the button wake this node; another node's start before ends with this. The log says what
 * comes of it. */
void power_button_start(void);
/*
 * Whether it has been pressed since it was last asked. Looks at the register when the interrupt has
 * come, and else some times a second; false before the start.
 */
bool power_button_is_pressed(uint64_t now_ns);
