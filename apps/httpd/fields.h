/* SPDX-License-Identifier: MIT */
/*
 * Header fields of a request whose values matter here.
 */
#pragma once

enum request_field {
    FIELD_HOST,
    FIELD_EXPECT,
    FIELD_TRANSFER_ENCODING,
    FIELD_RANGE,
    FIELD_IF_RANGE,
    FIELD_IF_MATCH,
    FIELD_IF_NONE_MATCH,
    FIELD_IF_MODIFIED_SINCE,
    FIELD_IF_UNMODIFIED_SINCE,
    FIELD_ACCEPT_ENCODING, /* not known if it came in several lines */
    FIELD_COUNT,
    FIELD_CONNECTION = FIELD_COUNT, /* looked at when it comes, perhaps in several lines */
    FIELD_OTHER,
};

/* Fields that make the answer depend on more than the path, whichever file it is. */
#define FIELDS_OF_CONDITIONS                                                                       \
    (1u << FIELD_RANGE | 1u << FIELD_IF_RANGE | 1u << FIELD_IF_MATCH | 1u << FIELD_IF_NONE_MATCH | \
     1u << FIELD_IF_MODIFIED_SINCE | 1u << FIELD_IF_UNMODIFIED_SINCE)
