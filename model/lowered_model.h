/* lowered_model.h - a whole model ready to run or to be written: lowered linears and
 * plain vectors, pointing into a transformer's parameters or into a mapped file; matrices as they lie there.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_MODEL_LOWERED_MODEL_H
#define SGN_MODEL_LOWERED_MODEL_H

#include "model/transformer.h"

typedef struct {
    const sgn_real *attention_norm, *mlp_norm;    /* (dim) */
    const sgn_real *attention_bias, *mlp_bias;    /* (dim), of a LayerNorm; NULL: RMSNorm */
    const sgn_real *q_norm, *k_norm;              /* (head_dim) or NULL */
    sgn_lowered     linear[SGN_LINEARS];          /* count 0: the architecture has none there */
} sgn_lowered_block;

typedef struct {
    sgn_model_config   config;
    sgn_stored         embedding;                 /* (vocab, dim) */
    const sgn_real    *positions;                 /* (context, dim); NULL: rotary */
    const sgn_real    *final_norm, *final_bias;   /* (dim); bias NULL: RMSNorm */
    sgn_stored         head;                      /* (vocab, dim); its data == embedding's when tied */
    sgn_lowered_block *blocks;                    /* (layers) */
    void              *memory;                    /* of what is no view (lowered_planes.h); NULL: nothing */
    size_t             memory_bytes;
} sgn_lowered_model;

/* Views of m, which must outlive it. */
sgn_status sgn_lowered_model_from(sgn_lowered_model *lm, const sgn_transformer *m, sgn_error *err);
void       sgn_lowered_model_free(sgn_lowered_model *lm);

/* Honest counting: weights that are binarized, the bytes their stages take (planes with padding,
 * scales, all), the parameters and bytes of everything else, and how many numbers the scales are. */
typedef struct { int64_t binary_weights, binary_bytes, parameters, dense_bytes, scales; } sgn_bit_count;
sgn_bit_count sgn_lowered_model_count(const sgn_lowered_model *lm);

#endif
