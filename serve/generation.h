/* generation.h - text out of a model, token by token: sampling, stop strings, how probable each token was.
 *
 *     sgn_generator_begin(g, &what, ids, count, &err);
 *     do sgn_generator_next(g, &token, &err), use token.text; while (!token.finish);
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_SERVE_GENERATION_H
#define SGN_SERVE_GENERATION_H

#include <stdbool.h>
#include <stddef.h>
#include "data/tokenizer.h"
#include "export/runtime.h"
#include "export/sample.h"

enum { SGN_LIKELIEST_MAX = 100, SGN_STOPS_MAX = 64, SGN_STOP_BYTES_MAX = 1024 };

typedef struct {               /* one request; strings, ids and biases must stay until it has finished */
    sgn_sampling       sampling;
    int64_t            most;           /* tokens to add, at most */
    const char *const *stop;           /* strings that end it; nothing of them is given out */
    int                stops;
    const int32_t     *stop_id;        /* ids that end it, besides those that end a document */
    int                stop_ids;
    bool               endless;        /* ids that end a document do not end it */
    bool               specials;       /* special tokens are given out by their names, else they are no text */
    bool               begins;         /* the text begins here: the space that a tokenizer puts there falls off */
    bool               logprobs;       /* tell how probable each token was */
    int                likeliest;      /* and so many of the most probable ones, at most SGN_LIKELIEST_MAX */
    bool               prompt_logprobs;/* the same for the tokens of the prompt; it is then read from its first token on */
    bool               repeatable;     /* the same bits whatever was asked before: of an earlier prompt only whole batches are kept */
} sgn_generation;

typedef enum {
    SGN_FINISH_NOT,
    SGN_FINISH_END,            /* a token that ends: of the document, or among stop_id */
    SGN_FINISH_STOP,           /* a stop string */
    SGN_FINISH_MOST,           /* as many tokens as were asked for */
    SGN_FINISH_CONTEXT         /* the context is full */
} sgn_finish;

/* "end", "stop", "length", "context"; NOT: "interrupted" */
const char *sgn_finish_word(sgn_finish f);

/* ln p by the model, before temperature, penalties, biases and cuts. */
typedef struct { int32_t id; float logprob; } sgn_likely;

typedef struct {               /* what a step gave; pointers are good until the next call */
    int32_t           id;              /* the token; -1: none, for `most` was 0 */
    const char       *text;            /* whole characters that are certain by now, perhaps none; not NUL-terminated */
    size_t            size;
    size_t            offset;          /* byte of all generated text at which the token begins, given out or not */
    float             logprob;         /* of id */
    const sgn_likely *likeliest;       /* (likeliest), from probable to improbable; NULL: not asked for */
    sgn_finish        finish;          /* NOT: call again. END: id has ended it and is no part of the text */
} sgn_generated;

typedef struct sgn_generator sgn_generator;

/* Model and tokenizer must outlive it. Context 0: the model's own; batch 0: a good one for prompts. */
sgn_status sgn_generator_open(sgn_generator **g, const sgn_lowered_model *m, const sgn_tokenizer *t,
                              const sgn_runtime_options *o, sgn_error *err);
void       sgn_generator_close(sgn_generator *g);
int64_t    sgn_generator_context(const sgn_generator *g);
size_t     sgn_generator_bytes(const sgn_generator *g);                /* memory of cache, work and logits */
/* What the request holds wrong: SGN_CONFIG. */
sgn_status sgn_generation_check(const sgn_generation *o, sgn_error *err);
/* Reads a prompt of at least one id. What the last prompt and its answer share with its beginning is not read again. */
sgn_status sgn_generator_begin(sgn_generator *g, const sgn_generation *o, const int32_t *prompt, size_t count, sgn_error *err);
sgn_status sgn_generator_next(sgn_generator *g, sgn_generated *out, sgn_error *err);
/* With prompt_logprobs: of prompt token i (0 has none: NaN); *likeliest (likeliest of them) of what could have stood there. */
float      sgn_generator_prompt(const sgn_generator *g, size_t i, const sgn_likely **likeliest);
/* Ends a document: the tokenizer's eot or eos. */
bool       sgn_generation_is_end(const sgn_tokenizer *t, int32_t id);

#endif
