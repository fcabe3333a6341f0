/* SPDX-License-Identifier: MIT */
/*
 * Which Talus this is: `git describe` of the tree it was built from.
 */
#pragma once

extern const char talus_version[];
