/* spm_normalize.h - text as a SentencePiece model wants it: characters replaced, spaces squeezed and marked.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_SPM_NORMALIZE_H
#define SGN_DATA_SPM_NORMALIZE_H

#include <stdbool.h>
#include <stddef.h>
#include "core/status.h"
#include "data/spm.h"

typedef struct { char *data; size_t size, room; } sgn_spm_text;        /* start zeroed */
void sgn_spm_text_free(sgn_spm_text *t);

typedef struct sgn_spm_normalizer sgn_spm_normalizer;
/* `fold`: a space, and U+2581 too, is one byte 0x20 in the result; else U+2581 where the model escapes spaces.
 * The charsmap is checked here: sizes, indices, loops. */
sgn_status sgn_spm_normalizer_open(sgn_spm_normalizer **n, const sgn_vocabulary *v, bool fold, const char *where, sgn_error *err);
void       sgn_spm_normalizer_close(sgn_spm_normalizer *n);
/* Replaces *out. `continues`: the text goes on from an earlier part, nothing is put before it. A byte that is part of
 * no character stays where the model has byte fallback, else it becomes U+FFFD. */
sgn_status sgn_spm_normalize(const sgn_spm_normalizer *n, const char *text, size_t size, bool continues, sgn_spm_text *out, sgn_error *err);

#endif
