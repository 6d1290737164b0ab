/* bench_tokenizer.h - `signum bench tokenizer`: how fast one thread encodes a text.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_CLI_BENCH_TOKENIZER_H
#define SGN_CLI_BENCH_TOKENIZER_H

#include <stdbool.h>
#include "core/status.h"

sgn_status sgn_bench_tokenizer(const char *tokenizer, const char *file, bool json, sgn_error *err);

#endif
