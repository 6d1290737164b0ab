/* model_config.h - the shape of a model, as a preset or a config.json says it.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_MODEL_CONFIG_H
#define SGN_MODEL_CONFIG_H

#include "core/config.h"
#include "core/json.h"

typedef struct {
    int64_t dim, layers, heads, kv_heads, ffn, vocab;     /* kv_heads 0: = heads; vocab 0: the tokenizer's */
    int64_t head_dim;                                     /* 0: dim / heads */
    int64_t context;                                      /* longest sequence; 0: train.seq */
    char    linear[SGN_TEXT];                             /* linear kind of the binary modules: "fbi" */
    char    scales[SGN_TEXT];                             /* column | row | group128 | tensor */
    bool    shift;                                        /* beta beside alpha (group128 has none) */
    char    binary[SGN_TEXT];                             /* "attention,mlp", also q k v o gate up down */
    bool    tied_head, attention_bias, mlp_bias;
    double  rms_eps, rope_theta, rope_scaling;            /* scaling: positions are divided by it (linear) */
    double  init_std;
} sgn_model_config;

extern const sgn_field sgn_model_fields[];

/* Checks what no single field can (heads divide dim, kv_heads divide heads, known kind ...)
 * and fills in the zeros above. */
sgn_status sgn_model_config_resolve(sgn_model_config *c, sgn_error *err);

/* config.json as Hugging Face writes it for LlamaForCausalLM, plus our own object under
 * "signum" {linear, scales, shift, binary}. Without that object all linears are full; model_infer.h asks the arrays. */
sgn_status sgn_model_config_from_json(sgn_model_config *c, const sgn_json *j, const char *where, sgn_error *err);
sgn_json  *sgn_model_config_to_json(const sgn_model_config *c);         /* owned; NULL: no memory */

/* Linear kind of module q|k|v|o|gate|up|down: c->linear where `binary` names it, else "full". */
const char *sgn_model_config_linear(const sgn_model_config *c, const char *module);
bool        sgn_model_config_same_shape(const sgn_model_config *a, const sgn_model_config *b);

#endif
