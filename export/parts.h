/* parts.h - what every export format writes: a list of arrays, config.json, the tokenizer.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_EXPORT_PARTS_H
#define SGN_EXPORT_PARTS_H

#include "core/archive.h"
#include "export/format.h"

/* Arrays to write; data stays the caller's. Start zeroed; running out of memory is kept for sgn_parts_end. */
typedef struct {
    sgn_array   *at;
    const void **data;
    int          count, room;
    bool         failed;
} sgn_parts;
void       sgn_parts_add(sgn_parts *p, sgn_dtype type, int64_t rows, int64_t cols, const void *data,   /* cols 0: a vector */
                         const char *name, ...) __attribute__((format(printf, 6, 7)));
/* Arrays that are no linear layer: of the model, of a block under "model.layers.N."; name NULL: past the last. */
typedef struct {
    const char      *name;
    const sgn_real **at;           /* where the lowered form keeps its numbers; NULL: in `matrix` */
    sgn_stored      *matrix;
    int64_t          rows, cols;   /* cols 0: a vector */
    bool             there;        /* a model of this config has it */
} sgn_plain;
sgn_plain  sgn_plain_at(sgn_lowered_model *lm, int i);
sgn_plain  sgn_plain_of_block(const sgn_model_config *c, sgn_lowered_block *b, int i);
/* Embedding, norms, head and biases, as they are; all of these but the matrices. */
void       sgn_parts_add_plain(sgn_parts *p, const sgn_lowered_model *lm);
void       sgn_parts_add_vectors(sgn_parts *p, const sgn_lowered_model *lm);
/* n numbers as F32, F16 or BF16, to nearest even; `out` may be x. SGN_NUMERIC, naming `name`, where one gets too large for it. */
sgn_status sgn_parts_round(sgn_dtype type, const float *x, int64_t n, const char *name, void *out, sgn_error *err);
sgn_status sgn_parts_end(const sgn_parts *p, sgn_error *err);
void       sgn_parts_free(sgn_parts *p);

/* "model.layers.3.mlp.up_proj" */
typedef struct { char s[96]; } sgn_linear_name;
sgn_linear_name sgn_linear_name_of(int64_t layer, sgn_block_linear which);
void            sgn_linear_shape(const sgn_model_config *c, sgn_block_linear which, int64_t *out, int64_t *in);

/* Writes config.json, with the ids of the tokenizer's special tokens (null where it has none), and copies
 * tokenizer.json. `config` is taken. */
sgn_status sgn_export_config(const char *directory, sgn_json *config, const sgn_export_options *o, sgn_error *err);
/* generation_config.json: the ids that begin and end a text. */
sgn_status sgn_export_generation_config(const char *directory, const sgn_export_options *o, sgn_error *err);
/* tokenizer_config.json and special_tokens_map.json: those beside the tokenizer, or one that says the same as the tokenizer. */
sgn_status sgn_export_tokenizer_config(const char *directory, int64_t context, const sgn_export_options *o, sgn_error *err);

#endif
