/* spm_bpe.h - SentencePiece's BPE: the adjacent pair whose joint piece has the highest score becomes that
 * piece (the leftmost of equal ones), until no pair is a piece.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_SPM_BPE_H
#define SGN_DATA_SPM_BPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/status.h"
#include "data/spm.h"
#include "data/tokenizer.h"

/* Tables, shared by all threads; the vocabulary must stay. `fold`: a space in text is a byte 0x20 and stands for U+2581. */
typedef struct sgn_spm_bpe sgn_spm_bpe;
sgn_status sgn_spm_bpe_open(sgn_spm_bpe **b, const sgn_vocabulary *v, bool fold, sgn_error *err);
void       sgn_spm_bpe_close(sgn_spm_bpe *b);

/* What encoding changes: one per thread. */
typedef struct sgn_spm_joiner sgn_spm_joiner;
sgn_status sgn_spm_joiner_open(sgn_spm_joiner **j, const sgn_spm_bpe *b, sgn_error *err);
void       sgn_spm_joiner_close(sgn_spm_joiner *j);
/* Appends the ids of normalized text. */
sgn_status sgn_spm_join(sgn_spm_joiner *j, const char *text, size_t size, sgn_ids *out, sgn_error *err);

/* What no piece covers: its bytes where the model has them, else one unknown id for a run of them that starts at or after `base`. */
typedef struct { int32_t byte_id[256], unk; bool bytes, fold; } sgn_spm_fallback;
void sgn_spm_fallback_set(sgn_spm_fallback *f, const sgn_vocabulary *v, bool fold);
/* Has room for 3 * n ids. */
void sgn_spm_put_unknown(const sgn_spm_fallback *f, const char *text, size_t n, size_t base, sgn_ids *out);

#endif
