/* blockwise.h - zones for a whole layer, 128 columns after another, what each leaves taken up by those behind it (BiLLM, Huang et al.
 * 2024, arXiv 2402.04291; STBLLM). With (H + damping)^-1 = U^T U:
 *
 *     E_:j = (W_:j - Q_:j) / U_jj of a block as it was at its begin        W_:k -= sum_j E_:j U_jk of all columns k behind the block
 *
 * Q is 0 where the mask is, so what pruning loses is taken up too.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_BINARIZE_BLOCKWISE_H
#define SGN_BINARIZE_BLOCKWISE_H

#include "binarize/binarizer.h"

typedef struct {
    float   *w;                /* (out, in): latents, each as it was when its block was fitted */
    uint8_t *zone;             /* (out, in) */
    float   *scale;            /* (out, blocks, SGN_ZONE_SCALES) */
    float   *q;                /* (out, in) */
    int64_t  blocks;
} sgn_blockwise;

/* kept 0: no mask; with two groups, N:M by |W| before anything else. Buffers are the caller's; w comes in as the weight. Fills kept, salient, damping and dead of r. */
sgn_status sgn_blockwise_fit(const sgn_binarize_layer *l, bool three, int64_t kept, sgn_blockwise *b, sgn_binarize_report *r, sgn_error *err);
/* The same with buffers of its own, into a layer of kind zoned, or full where the variant is the released one. */
sgn_status sgn_blockwise_make(const sgn_binarize_layer *l, bool three, int64_t kept, sgn_linear *to, float *q, sgn_binarize_report *r, sgn_error *err);

/* SGN_CONFIG where groups of M do not fit. */
sgn_status sgn_blockwise_check(const sgn_binarize_options *o, const char *path, int64_t in, sgn_error *err);

/* Bits per weight that the released forms take (docs/binarize.md): salient columns are a share of all. */
double     sgn_billm_bits(int64_t out, double salient);
double     sgn_billm_masked_bits(int64_t out, int64_t n, int64_t m, double salient);
double     sgn_stbllm_bits(int64_t n, int64_t m);
/* As the papers count. */
double     sgn_billm_claim(double salient);
double     sgn_stbllm_claim(int64_t n, int64_t m, double salient);

#endif
