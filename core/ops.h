/* ops.h - builders of every operation. Rows of core/ops.def; one file each in core/ops/.
 * x is (tokens, width) unless said otherwise; tokens = batch * seq, batch-major.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_CORE_OPS_H
#define SGN_CORE_OPS_H

#include "core/tape.h"

/* a + b, same shape. */
sgn_tensor *sgn_add(sgn_tape *t, sgn_tensor *a, sgn_tensor *b);
/* x + b, b (width). */
sgn_tensor *sgn_add_bias(sgn_tape *t, sgn_tensor *x, sgn_tensor *b);
/* x_t + p[t mod seq - first_t], p (positions, width): learned positions, of the document that begins at first_t; first as
 * for sgn_attention. */
sgn_tensor *sgn_add_positions(sgn_tape *t, sgn_tensor *x, sgn_tensor *p, const int32_t *first, int64_t seq);
/* Rows `id` of table (vocab, width): out (count, width). id is kept, not copied. */
sgn_tensor *sgn_embedding(sgn_tape *t, sgn_tensor *table, const int32_t *id, int64_t count);
/* y = x . gain / sqrt(mean x^2 + eps) (Zhang & Sennrich 2019); gain (width), or (part) for each `part` of the width alone. */
sgn_tensor *sgn_rmsnorm(sgn_tape *t, sgn_tensor *x, sgn_tensor *gain, double eps);
/* y = (x - mean x) . gain / sqrt(var x + eps) + bias (Ba et al. 2016); gain and bias may be NULL. */
sgn_tensor *sgn_layernorm(sgn_tape *t, sgn_tensor *x, sgn_tensor *gain, sgn_tensor *bias, double eps);
void        sgn_layernorm_row(sgn_real *y, const sgn_real *x, const sgn_real *gain, const sgn_real *bias, int64_t n, sgn_real eps);
/* y = x W^T, W (out, in). */
sgn_tensor *sgn_matmul(sgn_tape *t, sgn_tensor *x, sgn_tensor *w);
/* y = (x . alpha) sign(W)^T + (x beta) 1^T; alpha, beta (in) or NULL: FBI, column pattern.
 * Straight-through: dW = (dy^T x) . alpha. */
sgn_tensor *sgn_sign_matmul(sgn_tape *t, sgn_tensor *x, sgn_tensor *w, sgn_tensor *alpha, sgn_tensor *beta);
/* y = z . a + (sum_j x_j) b: the row pattern (a, b (out)) and the tensor pattern (a, b (1)); b may be NULL. */
sgn_tensor *sgn_row_affine(sgn_tape *t, sgn_tensor *z, sgn_tensor *x, sgn_tensor *a, sgn_tensor *b);
/* y_i = sum_g alpha[i,g] sum_{j in g} sign(W)_ij x_j; alpha (out, ceil(in/group)). */
sgn_tensor *sgn_sign_matmul_group(sgn_tape *t, sgn_tensor *x, sgn_tensor *w, sgn_tensor *alpha, int64_t group);
/* Rotary positions (Su et al. 2021), pairs (j, j + head_dim/2) as Hugging Face; x (batch*seq, heads*head_dim);
 * cosine, sine (seq, head_dim/2), kept. */
sgn_tensor *sgn_rope(sgn_tape *t, sgn_tensor *x, const sgn_real *cosine, const sgn_real *sine,
                     int64_t seq, int64_t head_dim);
/* Causal softmax(q k^T / sqrt(head_dim)) v for each head; q (tokens, heads*head_dim),
 * k, v (tokens, kv_heads*head_dim). No seq x seq buffer (Dao et al. 2022). first (batch, seq), kept: the first
 * position of its sequence that each position sees, at most itself and never falling along a sequence, so that
 * documents packed into one do not see each other; what nothing sees is not computed. NULL: all from 0. */
sgn_tensor *sgn_attention(sgn_tape *t, sgn_tensor *q, sgn_tensor *k, sgn_tensor *v, const int32_t *first,
                          int64_t batch, int64_t seq, int64_t heads, int64_t kv_heads);
/* silu(gate) . up (Shazeer 2020). */
sgn_tensor *sgn_swiglu(sgn_tape *t, sgn_tensor *gate, sgn_tensor *up);
/* x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) (Hendrycks & Gimpel 2016), of any shape; y == x is fine in a row. */
sgn_tensor *sgn_gelu(sgn_tape *t, sgn_tensor *x);
void        sgn_gelu_row(sgn_real *y, const sgn_real *x, int64_t n);

/* Each token on its own grid of 8 bits, by its largest |x| (BitNet b1.58); gradient straight through. */
sgn_tensor *sgn_quant_act(sgn_tape *t, sgn_tensor *x);
void        sgn_quant_act_row(sgn_real *y, const sgn_real *x, int64_t n);

/* What the next token should be, beside the hard label. */
typedef enum {
    SGN_SOFT_NONE,
    SGN_SOFT_HIDDEN,           /* a live teacher: its last hidden state and its head */
    SGN_SOFT_TOP,              /* its likeliest classes, and the mass of the others in one */
    SGN_SOFT_SAMPLES,          /* classes drawn from it, weighted so that their mean is its distribution */
} sgn_soft_kind;

typedef struct {
    sgn_soft_kind   kind;
    const sgn_real *hidden;    /* (tokens, width), after the teacher's final norm */
    const sgn_real *head;      /* (vocab, width) */
    int64_t         width;
    sgn_stored      stored;    /* the head where `head` is NULL */

    int64_t         top;       /* TOP, SAMPLES: classes per position at most */
    const int32_t  *id;        /* (tokens, top): classes of a position, all different, those without weight last */
    const sgn_real *prob;      /* (tokens, top): their probability at `temperature`, or weight; 0: no class */
    const sgn_real *rest;      /* (tokens): probability of all other classes together; SAMPLES: NULL */
    const sgn_real *entropy;   /* (tokens): the floor of the soft loss, for sgn_loss_sums; NULL: 0 */
} sgn_soft;

/* Sums over the positions of one call, in nats. Added to, not set. */
typedef struct {
    double  hard;              /* -log p(target) */
    double  soft;              /* -sum_v pT(v) log pS(v); both at `temperature` */
    double  teacher_entropy;   /* the floor of soft */
    int64_t tokens;
} sgn_loss_sums;

typedef struct {
    const int32_t *target;     /* (tokens); -1: position left out */
    sgn_soft       soft;
    double         lambda;     /* loss = lambda soft + (1 - lambda) hard; lambda 0 without a teacher */
    double         temperature;/* of both softmaxes in the soft term; its gradient is scaled by T^2 (Hinton 2015) */
    double         scale;      /* of the sum over positions: 1/(tokens per optimizer step) */
    sgn_loss_sums *sums;       /* may be NULL */
} sgn_head_loss_args;

/* loss (1) = scale * sum over positions, logits = h head^T. Head, softmax, loss and
 * gradients run in chunks of tokens: no (tokens, vocab) buffer. On a training tape the
 * value and `sums` appear during backward, which computes each logit once. */
sgn_tensor *sgn_head_loss(sgn_tape *t, sgn_tensor *h, sgn_tensor *head, const sgn_head_loss_args *args);

/* What post-training binarizers leave, W (out, in) as core/ops/zoned_weight.c says: latents w (out, in), zone (out, in) numbers 0 to 4
 * that stay, scale (out, sgn_zoned_scales(in)): five for each block of 128 inputs. */
enum { SGN_ZONED_BLOCK = 128, SGN_ZONED_SCALES = 5 };
static inline int64_t sgn_zoned_scales(int64_t in) { return (in + SGN_ZONED_BLOCK - 1) / SGN_ZONED_BLOCK * SGN_ZONED_SCALES; }
sgn_tensor *sgn_zoned_weight(sgn_tape *t, sgn_tensor *w, sgn_tensor *scale, const sgn_real *zone);
void        sgn_zoned_row(sgn_real *to, const sgn_real *w, const sgn_real *zone, const sgn_real *scale, int64_t in);

#endif
