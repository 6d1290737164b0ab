/* completion_request.h - what a client of /v1/completions or /v1/chat/completions asks for: its JSON, checked field by field.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_SERVE_COMPLETION_REQUEST_H
#define SGN_SERVE_COMPLETION_REQUEST_H

#include "core/json.h"
#include "data/chat_template.h"
#include "serve/generation.h"

enum { SGN_PROMPTS_MAX = 4096, SGN_CHOICES_MAX = 128, SGN_BIASES_MAX = 1024 };

typedef struct {               /* a prompt */
    const char *text;          /* as it came; NULL: ids came */
    sgn_ids     ids;
} sgn_prompt;

typedef struct {               /* start zeroed */
    sgn_json      *json;       /* owns the strings */
    sgn_prompt    *prompt;
    size_t         prompts;
    sgn_generation what;       /* stop, stop_id and sampling.bias point into this struct's own lists */
    const char    *stop[SGN_STOPS_MAX];
    int32_t        stop_id[SGN_STOPS_MAX + SGN_CHAT_STOP_IDS];
    sgn_bias       bias[SGN_BIASES_MAX];
    int64_t        n;          /* answers to each prompt */
    bool           seeded;     /* what.sampling.seed was told */
    bool           echo, stream, stream_usage;
    bool           chat;       /* messages came, and the answer is one */
    const char    *wrong;      /* the field that a failure is about; NULL: none in particular */
} sgn_completion_request;

typedef struct {
    const sgn_tokenizer *tokenizer;
    int64_t vocab, context;    /* the model's */
    bool    bos;               /* put the token that begins a text before prompts that are texts */
    const sgn_chat *chat;      /* messages are asked for; NULL: prompts */
} sgn_completion_rules;

/* SGN_CONFIG for what the client did wrong. To be freed after a failure too. */
sgn_status sgn_completion_request_parse(sgn_completion_request *q, const char *body, size_t size, const sgn_completion_rules *r,
                                        sgn_error *err);
void       sgn_completion_request_free(sgn_completion_request *q);

#endif
