/* SPDX-License-Identifier: MIT */
/*
 * `pci=assign` on the command line: do not rely on what firmware has set up, but look for buses
 * without numbers and for addresses that cannot work, and give new ones. Without it that is done
 * only for a device that cannot be used otherwise.
 */
#pragma once

#include "kernel/base.h"

bool pci_is_assign_asked_for(void);
/* Log a value of pci= that means nothing. */
void pci_report_unknown_option(void);
