/* amdahl.h - what of a model one-bit products can make faster and smaller: shares of operations and of bytes.
 *
 * With P multiply-adds in projections, A in attention heads, H in the output head, all per token:
 *     F = P / (P + A [+ H])       gain(S) = 1 / ((1 - F) + F/S)       ceiling 1 / (1 - F)
 * Amdahl's law for 1-bit LLMs (arXiv 2408.11939). Of a projection's three products in training two have a matrix of signs:
 * gain = 1 / ((1 - 2F/3) + F/(3 S) + F/(3 S')), below 3 whatever S and S' are.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_EVAL_AMDAHL_H
#define SGN_EVAL_AMDAHL_H

#include "model/model_config.h"

/* Numbers of a model, all layers together. */
typedef struct {
    int64_t layers, context;       /* context: the longest that it takes */
    int64_t query, cache;          /* widths of all heads of one layer, of its keys and values together */
    int64_t binary, full;          /* weights of projections that are signs, that are not */
    double  sign_bits;             /* of `binary`, by an ideal code */
    int64_t scales, vectors;       /* scales and shifts; norms and biases */
    int64_t embedding, head;       /* positions included; a tied head is multiplied with, yet takes no memory */
    bool    tied;
} sgn_work_shape;

/* Of the kinds that c names; the vocabulary must be known. */
sgn_status sgn_work_shape_of(const sgn_model_config *c, sgn_work_shape *out, sgn_error *err);

/* Multiply-adds of one token at this many tokens of context: decoded behind them, or (the same) as the mean of a prefill that
 * computes the whole square of scores; causal: only its lower triangle. Weights of a sparse or factored kind count as they stand in
 * the dense product that they replace. Softmax, norms and rotation are left out. */
typedef struct { double binary, full, attention, head; } sgn_work;
sgn_work sgn_work_at(const sgn_work_shape *s, int64_t context, bool causal);

double sgn_amdahl_fraction(const sgn_work *w, bool head);
double sgn_amdahl_gain(double fraction, double speedup);                       /* INFINITY: the ceiling */
double sgn_amdahl_train_gain(double fraction, double forward, double dx);
/* Context at which the fraction is one half; 0: it never is. */
double sgn_amdahl_half(const sgn_work_shape *s, bool causal, bool head);

/* Bytes: signs by their ideal code, all else in 16 bits; cache: keys and values of `context` tokens. */
typedef struct { double binary, scales, full, vectors, embedding, head, cache; } sgn_footprint;
sgn_footprint sgn_footprint_at(const sgn_work_shape *s, int64_t context);
sgn_footprint sgn_footprint_dense(const sgn_work_shape *s, int64_t context);   /* the same with every weight in 16 bits and no scales */
double sgn_footprint_sum(const sgn_footprint *f);
double sgn_footprint_read(const sgn_footprint *f, bool tied);                  /* what decoding one token reads: all but embeddings */

typedef struct { double forward, dx; } sgn_speedup;       /* of a product with signs over that of full precision */
typedef struct {
    int64_t       context;
    sgn_work      work;
    sgn_footprint bytes;
    double        fraction, with_head;                     /* F, without and with the head */
    double        prefill, train, decode;                  /* gains by operations: prefill without the head, the others with it */
    double        prefill_ceiling, train_ceiling, decode_ceiling;
    double        decode_bytes;                            /* gain where memory decides: bytes read per token */
} sgn_amdahl_row;
sgn_amdahl_row sgn_amdahl_at(const sgn_work_shape *s, int64_t context, bool causal, sgn_speedup speedup);

#endif
