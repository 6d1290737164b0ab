/* bit_count.h - what a model's numbers take, part by part: of a layer, of all, and as papers count.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_MODEL_BIT_COUNT_H
#define SGN_MODEL_BIT_COUNT_H

#include "model/lowered_model.h"

/* part, word for tables and JSON */
#define SGN_BITS_LIST(X) \
    X(SIGNS, "signs") X(PADDING, "padding") X(MASKS, "masks") X(SCALES, "scales") X(SHIFTS, "shifts") X(FULL, "full") \
    X(BIASES, "biases") X(NORMS, "norms") X(EMBEDDING, "embedding") X(POSITIONS, "positions") X(HEAD, "head")
typedef enum {
#define X(part, word) SGN_BITS_##part,
    SGN_BITS_LIST(X)
#undef X
    SGN_BITS_PARTS
} sgn_bits_part;
const char *sgn_bits_word(sgn_bits_part p);

/* Masks are second planes: of those that are kept, or of -1. Padding fills the rows of planes up to whole words. */
typedef struct {
    int64_t numbers[SGN_BITS_PARTS], bits[SGN_BITS_PARTS];
    int64_t binary_weights;        /* of matrices that are binarized: out x in, however many signs make them */
    double  claimed;               /* bits of these as papers count: see sgn_bits_claim */
    double  ideal;                 /* bits of their signs by a code that wastes none, without scales */
} sgn_bits;

typedef struct { char name[SGN_ARRAY_NAME]; sgn_bits bits; } sgn_bits_row;     /* "model.layers.0.mlp.up_proj" */

/* As they would be written packed: a layer's planes and numbers, each in the type of the file that it comes from. */
sgn_bits sgn_bits_of_linear(const sgn_lowered *l, int64_t out, int64_t in);
sgn_bits sgn_bits_of_model(const sgn_lowered_model *lm);
/* Row i of a model: embedding, positions, final norm, head, then of each block its norms and its linear layers; false: past the last. */
bool     sgn_bits_row_at(const sgn_lowered_model *lm, int64_t i, sgn_bits_row *row);
/* Chars of a row's name that say its layer, "model.layers.3" of "model.layers.3.mlp.up_proj"; of what is in no layer all. */
size_t   sgn_bits_layer(const char *name);
/* A part whose numbers lie in a file as `type`; blocks of signs are signs and scales. */
void     sgn_bits_put(sgn_bits *b, sgn_bits_part part, sgn_dtype type, int64_t rows, int64_t cols);
void     sgn_bits_add(sgn_bits *to, const sgn_bits *b);

int64_t  sgn_bits_all(const sgn_bits *b);          /* bits of every part */
int64_t  sgn_bits_binary(const sgn_bits *b);       /* of binarized matrices: signs, padding, masks, scales, shifts */
int64_t  sgn_bits_weights(const sgn_bits *b);      /* numbers of the model that they stand for: without scales, shifts and masks */
/* Whose way of counting `claimed` is; NULL: nothing is binarized. */
const char *sgn_bits_claim(const sgn_bits *b);

#endif
