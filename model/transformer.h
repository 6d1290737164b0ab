/* transformer.h - a decoder with pre-norms, of the architectures of archs.def, over any linear kinds.
 *
 * Parameters carry the names of Hugging Face's LlamaForCausalLM and Qwen3ForCausalLM, scales those of the
 * released FBI-LLM code: X.weight, X.wscale, X.wbias. GPT-2's parts are called the same, a norm's bias NORM.bias,
 * positions model.embed_positions.weight; what other programs call them is in names.h.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_MODEL_TRANSFORMER_H
#define SGN_MODEL_TRANSFORMER_H

#include "model/array_set.h"
#include "model/linear.h"

typedef enum { SGN_Q, SGN_K, SGN_V, SGN_O, SGN_GATE, SGN_UP, SGN_DOWN, SGN_LINEARS } sgn_block_linear;

typedef struct {
    int        attention_norm, mlp_norm;          /* parameter indices; of a LayerNorm the bias is the next one */
    int        q_norm, k_norm;                    /* (head_dim), -1: none */
    sgn_linear linear[SGN_LINEARS];               /* kind NULL: the architecture has none there */
    char       path[SGN_LINEARS][96];             /* "model.layers.0.self_attn.q_proj" */
} sgn_block;

typedef struct {
    sgn_model_config config;                      /* resolved */
    sgn_params       params;
    sgn_block       *blocks;                      /* (layers) */
    const sgn_arch  *arch;
    int              embedding, final_norm, head; /* head == embedding when tied */
    int              positions;                   /* (context, dim), -1: rotary */
    sgn_real        *cosine, *sine;               /* (context, head_dim/2); NULL without rotary positions */
    sgn_array_set   *files;                       /* what stored parameters, or all (sgn_model_attach), lie in; NULL: none */
} sgn_transformer;

const char *sgn_linear_module(sgn_block_linear which);     /* "q", "gate": the word of model.binary */

/* Declares all parameters; nothing is allocated but tables until sgn_transformer_commit. */
sgn_status  sgn_transformer_init(sgn_transformer *m, const sgn_model_config *c, bool train, sgn_error *err);
sgn_status  sgn_transformer_commit(sgn_transformer *m, sgn_error *err);
void        sgn_transformer_free(sgn_transformer *m);

/* The released FBI-LLM initialisation: weights and embedding N(0, init_std^2), norms 1,
 * biases 0, scales derived (training.md 2.3). Value = f(seed, parameter name, index). */
void        sgn_transformer_randomize(sgn_transformer *m, uint64_t seed);

/* Ends params.warm: scales are made of the weights, signs and tables of both. */
void        sgn_transformer_binarize(sgn_transformer *m);

/* Hidden states after the final norm, (batch*seq, dim). tokens (batch, seq) is kept. */
sgn_tensor *sgn_transformer_hidden(const sgn_transformer *m, sgn_tape *t, const int32_t *tokens,
                                   int64_t batch, int64_t seq);
/* The same of documents packed into sequences, none of which sees another: first (batch, seq), kept, is where the document
 * of each position begins in its sequence. Rotary positions go on counting: only their differences matter; learned ones begin anew. */
sgn_tensor *sgn_transformer_documents(const sgn_transformer *m, sgn_tape *t, const int32_t *tokens, const int32_t *first,
                                      int64_t batch, int64_t seq);
/* The parts of it, for whoever goes layer by layer: embedded tokens, and block n of x (batch*seq, dim). Outside of segments, so the
 * tape keeps all that the block computes. */
sgn_tensor *sgn_transformer_embed(const sgn_transformer *m, sgn_tape *t, const int32_t *tokens, const int32_t *first,
                                  int64_t batch, int64_t seq);
sgn_tensor *sgn_transformer_block(const sgn_transformer *m, int64_t n, sgn_tape *t, sgn_tensor *x, int64_t batch, int64_t seq);
sgn_tensor *sgn_transformer_head(const sgn_transformer *m);        /* (vocab, dim) */
int         sgn_transformer_nodes(const sgn_transformer *m);       /* tape capacity of one pass with loss */
/* Multiply-adds per token in matrix products: binary and full, without attention scores. */
void        sgn_transformer_macs(const sgn_transformer *m, int64_t *binary, int64_t *full);
/* Numbers of the model: a binary layer counts as the matrix (out, in) that it stands for, of which there are `binary`, and its scales. */
int64_t     sgn_transformer_parameters(const sgn_transformer *m, int64_t *binary);

#endif
