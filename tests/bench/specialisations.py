# SPDX-License-Identifier: MIT
"""What makes a request cheap, one by one, and what a machine without it does instead.

The names are those of libc/core/ablation.h.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Specialisation:
    title: str
    instead: str
    without: tuple = ()      # names of what the image is to leave out
    words: str = ""          # of the machine's command line
    beside: str = "nothing"  # the title of the row that it is compared with


NOTHING = Specialisation("nothing", "")
IMAGE = Specialisation("the switches themselves", "the usual image, which cannot leave anything out")

SPECIALISATIONS = (
    Specialisation("file cache and retransmission pool are one",
                   "files are copied into messages, and these into send buffers",
                   without=("ARCHIVE_REFERENCES",)),
    Specialisation("ready response headers",
                   "each response's header is written anew",
                   without=("READY_RESPONSES",)),
    Specialisation("known requests",
                   "the request line is read, the other fields are compared with earlier ones",
                   without=("KNOWN_REQUESTS",)),
    Specialisation("known requests and fields",
                   "each request is parsed (llhttp)",
                   without=("KNOWN_REQUESTS", "REPEATED_FIELDS")),
    Specialisation("requests read where they lie",
                   "they are copied to the application's buffer",
                   without=("LENT_REQUESTS",)),
    Specialisation("acknowledgements held for the answer",
                   "each segment with bytes is acknowledged by a frame of its own",
                   without=("HELD_ACKNOWLEDGMENTS",)),
    Specialisation("FIN on the last segment with bytes",
                   "it is a frame of its own",
                   without=("FIN_WITH_BYTES",)),
    Specialisation("state allocated ahead",
                   "each object from a pool costs a block of the allocator, taken and released",
                   without=("POOLS",)),
    Specialisation("connections granted in advance",
                   "each is claimed when it is offered",
                   words="grants=0"),
    Specialisation("the card cuts long segments",
                   "TCP does",
                   without=("CUTTING_BY_CARD",)),
    Specialisation("the card sums",
                   "the driver does, when it sends; the row above is what this one is compared with",
                   without=("CUTTING_BY_CARD", "SUMS_BY_CARD"), beside="the card cuts long segments"),
)
