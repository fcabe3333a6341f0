# SPDX-License-Identifier: MIT
"""How long tests wait, in one place.

No test asserts a time. On a busy host every step can take a hundred times as long as on an idle
one, so a wait ends early only when what it waits for can no longer come (the machine has ended),
and otherwise after WAIT_S: by then it hangs.
"""

import os
import time

# Chosen: with both cores of a small host kept busy by others, the slowest step (firmware that boots
# from a network) takes a fifth of it. TALUS_WAIT_S in the environment says otherwise.
WAIT_S = float(os.environ.get("TALUS_WAIT_S", 600))
# For what has many such steps in it: a build, all tests of a file on one machine.
LONG_WAIT_S = 10 * WAIT_S

LOOK_PERIOD_S = 0.05


class HarnessError(AssertionError):
    """What a test waited for did not come; the text ends with the console's last lines."""


def wait_until(look, what, describe=None, period_s=LOOK_PERIOD_S):
    """Look again and again until look() returns something true, and return that.

    what      is waited for, for the error's text
    describe  a function whose text the error ends with
    """
    deadline_s = time.monotonic() + WAIT_S
    while not (seen := look()):
        if time.monotonic() > deadline_s:
            raise HarnessError(f"waited for {what}" + (f"\n{describe()}" if describe else ""))
        time.sleep(period_s)
    return seen
