/* pipeline.h - text to words as a form says: normalized, then cut by one rule after the other.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_PIPELINE_H
#define SGN_DATA_PIPELINE_H

#include "data/form.h"
#include "data/tokenizer.h"

typedef struct sgn_pipeline sgn_pipeline;      /* for one thread; the form stays the caller's */
sgn_status sgn_pipeline_open(sgn_pipeline **p, const sgn_form *f, sgn_error *err);
void       sgn_pipeline_close(sgn_pipeline *p);

typedef sgn_status sgn_word_fn(void *ctx, const char *word, size_t n, sgn_ids *out, sgn_error *err);
sgn_status sgn_pipeline_run(sgn_pipeline *p, const char *text, size_t size, unsigned flags, sgn_word_fn *word, void *ctx,
                            sgn_ids *out, sgn_error *err);

#endif
