/* model_config.h - the shape of a model, as a preset or a config.json says it.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_MODEL_CONFIG_H
#define SGN_MODEL_CONFIG_H

#include "core/config.h"
#include "core/json.h"
#include "model/arch.h"

typedef struct {
    char    arch[SGN_TEXT];                               /* a row of archs.def; "": llama */
    int64_t dim, layers, heads, kv_heads, ffn, vocab;     /* kv_heads 0: = heads; vocab 0: the tokenizer's */
    int64_t head_dim;                                     /* 0: dim / heads */
    int64_t context;                                      /* longest sequence; 0: train.seq */
    /* What is binary, from `linear` to `mixed`. */
    char    linear[SGN_TEXT];                             /* linear kind of the binary modules: "fbi" */
    char    keep[SGN_TEXT];                               /* nm: N:M, which of M weights it keeps */
    double  bits;                                         /* littlebit: bits per weight, scales of 16 bits included */
    int64_t paths;                                        /* littlebit: 1, or 2 with a residual one; 0: 1 */
    char    estimator[SGN_TEXT];                          /* a word of core/estimator.h; "auto" or "": the kind's own */
    char    scales[SGN_TEXT];                             /* column | row | group128 | tensor */
    bool    stochastic;                                   /* binaryconnect: signs drawn anew at every step of training */
    bool    shift;                                        /* beta beside alpha (group128 has none) */
    bool    tie_scales;                                   /* column: one alpha for q, k and v, one for gate and up */
    char    binary[SGN_TEXT];                             /* "attention,mlp", also q k v o gate up down */
    char    mixed[SGN_LIST_TEXT];                         /* "0=full,4-7.mlp=nm": exceptions to linear and binary */
    bool    tied_head, attention_bias, mlp_bias;          /* attention_bias: in q, k, v and o */
    bool    qkv_bias, qk_norm;                            /* biases in q, k, v alone; RMSNorm of each head of q and k */
    double  rms_eps, rope_theta, rope_scaling;            /* rms_eps: of all norms; scaling: the factor of rope_type */
    char    rope_type[SGN_TEXT];                          /* linear | llama3 | yarn (model/rotary.h); "": linear */
    double  rope_low, rope_high;                          /* llama3, yarn: turns in rope_original positions; 0: the type's own */
    int64_t rope_original;                                /* 0: context */
    double  rope_magnitude;                               /* yarn: of cosines and sines; 0: 0.1 ln(rope_scaling) + 1 */
    int64_t binary_from_step;                             /* training: full precision until then; 0: never */
    double  init_std;
} sgn_model_config;

extern const sgn_field sgn_model_fields[];

/* Checks what no single field can (heads divide dim, kv_heads divide heads, known kind ...)
 * and fills in the zeros above. */
sgn_status sgn_model_config_resolve(sgn_model_config *c, sgn_error *err);

/* config.json as Hugging Face writes it for LLaMA, Mistral, Qwen2, Qwen3 and GPT-2, plus our own object under
 * "signum" {linear, scales, shift, binary}. Without that object all linears are full; model_infer.h asks the arrays. */
sgn_status sgn_model_config_from_json(sgn_model_config *c, const sgn_json *j, const char *where, sgn_error *err);
sgn_json  *sgn_model_config_to_json(const sgn_model_config *c);         /* owned; NULL: no memory */

/* SGN_UNSUPPORTED where those words cannot say it, so that our config.json needs more words than theirs. */
sgn_status sgn_model_config_check_foreign(const sgn_model_config *c, sgn_error *err);

/* What its row of archs.def says. */
const sgn_arch *sgn_model_config_arch(const sgn_model_config *c);
/* Has module q|k|v|o|gate|up|down a bias? Is it there at all? */
bool        sgn_model_config_bias(const sgn_model_config *c, const char *module);
bool        sgn_model_config_has(const sgn_model_config *c, const char *module);
/* Linear kind of module q|k|v|o|gate|up|down of a layer: c->linear where `binary` names it, else "full", unless `mixed` says otherwise. */
const char *sgn_model_config_linear(const sgn_model_config *c, int64_t layer, const char *module);
bool        sgn_model_config_any_binary(const sgn_model_config *c);        /* is there a kind other than full? */
bool        sgn_model_config_uses(const sgn_model_config *c, const char *kind);
/* Are `binary` and `mixed` words that there are? */
sgn_status  sgn_model_config_check_kinds(const sgn_model_config *c, sgn_error *err);
bool        sgn_model_config_same_shape(const sgn_model_config *a, const sgn_model_config *b);

#endif
