/* verify_options.h - how much of a model's files is compared with the digests beside them.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_CLI_VERIFY_OPTIONS_H
#define SGN_CLI_VERIFY_OPTIONS_H

#include "cli/options.h"
#include "core/digest.h"

typedef struct { bool all, none; } sgn_verify_values;

#define SGN_VERIFY_OPTIONS(values, m) \
    { "verify", SGN_OPTION_FLAG, offsetof(values, m.all), NULL, "compare the digests of large files too (from 1 GiB; smaller ones are compared anyway)" }, \
    { "no-verify", SGN_OPTION_FLAG, offsetof(values, m.none), NULL, "compare sizes only: start at once" }

static inline sgn_verify sgn_verify_of(sgn_verify_values v) {
    return v.all ? SGN_VERIFY_ALL : v.none ? SGN_VERIFY_NONE : SGN_VERIFY_SMALL;
}

#endif
