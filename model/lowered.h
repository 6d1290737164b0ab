/* lowered.h - what a trained linear layer is once training is over: a sum of one or
 * two chains of simple stages. Every kind lowers to these, every format stores these,
 * the runtime runs these: K kinds and F formats cost K + F pieces of code, not K * F.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_MODEL_LOWERED_H
#define SGN_MODEL_LOWERED_H

#include <stdbool.h>
#include <stdint.h>
#include "core/coded.h"
#include "core/zoned_bits.h"

/* word in config.json, what it does to x */
#define SGN_STAGE_LIST(X)                                                             \
    X(NORM,        "norm")        /* x = x / rms(x) * v (v NULL: ones)             */ \
    X(LAYER_NORM,  "layer_norm")  /* x = (x - mean x) / sqrt(var x + eps)          */ \
    X(QUANT_ACT,   "quant_act")   /* x = int8 grid, absmax per token               */ \
    X(SCALE,       "scale")       /* x = x . v                                     */ \
    X(SIGN,        "sign")        /* x = S x, S in {-1,+1}                         */ \
    X(GROUP_SIGN,  "group_sign")  /* x_i = sum_g v[i,g] sum_{j in g} S_ij x_j      */ \
    X(TERNARY,     "ternary")     /* x = S x, S in {-1,0,+1}: planes of +1, of -1   */ \
    X(MASKED_SIGN, "masked_sign") /* x = S x, 0 where the mask is, N of every M kept */ \
    X(ZONES,       "zones")       /* x = W x, W of zones of signs                   */ \
    X(DENSE,       "dense")       /* x = W x                                       */ \
    X(RANK1,       "rank1")       /* x = (x . v) u (v, u NULL: ones)               */

typedef enum {
#define X(name, word) SGN_STAGE_##name,
    SGN_STAGE_LIST(X)
#undef X
    SGN_STAGE_COUNT
} sgn_stage_kind;

const char *sgn_stage_word(sgn_stage_kind k);

typedef struct {
    sgn_stage_kind  kind;
    int64_t         rows, cols;     /* out, in of the stage */
    int64_t         group;          /* GROUP_SIGN: columns per scale */
    sgn_code        code;           /* MASKED_SIGN: which it keeps */
    sgn_plane       plane[2];       /* (rows, cols); MASKED_SIGN: signs, mask; no words where there are codes */
    sgn_coded       coded;          /* MASKED_SIGN of N of M, in place of planes; byte NULL: planes */
    const sgn_real *latent, *zone;  /* ZONES: (rows, cols) both, while they are in training */
    sgn_zoned_bits       zones;          /* ZONES of a file; v: (rows, sgn_zoned_scales(cols)) */
    sgn_stored      w;              /* DENSE: (rows, cols), as it lies */
    const sgn_real *v, *u;          /* vectors */
    sgn_dtype       v_type, u_type; /* in the file they come from; 0: reals */
    int64_t         v_size, u_size; /* numbers in v and u; 1 stands for a whole vector of it */
    const char     *name[2];        /* of its arrays in a file ("sign", "wscale"): planes or w, then v, then u; static */
} sgn_lowered_stage;

enum { SGN_MAX_STAGES = 6, SGN_MAX_CHAINS = 2 };
typedef struct { sgn_lowered_stage stage[SGN_MAX_STAGES]; int count; } sgn_chain;
typedef struct {
    sgn_chain       chain[SGN_MAX_CHAINS];
    int             count;
    const sgn_real *bias;          /* (out) or NULL */
} sgn_lowered;

/* For kinds: one more stage at the end of a chain. Signs or, of a latent with a mask, kept signs ("sign", "mask"); a scale of
 * its tensor's numbers, for all where it has one; a stage of n numbers without parameters. */
void sgn_chain_signs(sgn_chain *c, const sgn_tensor *latent);
void sgn_chain_scale(sgn_chain *c, const sgn_tensor *v, const char *name);
void sgn_chain_plain(sgn_chain *c, sgn_stage_kind kind, int64_t n);

/* Masked signs as they are stored and run: N of M as codes ("codes"), ternary ones as planes of +1 and of -1 ("plus", "minus"). The
 * stage itself where it is that already, or is something else: 0 bytes. memory: 8-byte aligned; NULL:
 * only what the stage is, without its bits. */
size_t            sgn_masked_bytes(const sgn_lowered_stage *s);
sgn_lowered_stage sgn_masked_settle(const sgn_lowered_stage *s, void *memory);

#endif
