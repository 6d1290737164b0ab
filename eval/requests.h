/* requests.h - a context and what may follow it, as the ids that a model reads and those that are scored.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_EVAL_REQUESTS_H
#define SGN_EVAL_REQUESTS_H

#include "data/tokenizer.h"

typedef struct {
    const sgn_tokenizer *tokenizer;
    int64_t max_length;        /* most ids that are read */
    int32_t bos;               /* put before every text; -1: nothing is */
    int32_t empty;             /* read where the context is empty: the end of a text, or bos where one is put */
} sgn_request_style;

/* bos: put the tokenizer's; SGN_CONFIG where it has none. */
sgn_status sgn_request_style_init(sgn_request_style *style, const sgn_tokenizer *t, int64_t max_length, bool bos, sgn_error *err);
/* SGN_CONFIG where there is nothing to stand for an empty context. */
sgn_status sgn_request_style_check(const sgn_request_style *style, sgn_error *err);

typedef struct {               /* start zeroed */
    sgn_ids ids;               /* at most max_length + 1: all but the last are read */
    size_t  scored;            /* the last so many */
    bool    cut;               /* the context has lost its beginning */
    size_t  short_of;          /* ids of the continuation that are not scored, since it alone is too long */
} sgn_request;

/* Both are tokenized as one text and split where the context's own ids end. White space at the end of the context goes to the
 * continuation. What is too long loses its beginning. `where` names the question in messages. */
sgn_status sgn_request_make(sgn_request *q, const sgn_request_style *style, const char *context, const char *continuation, const char *where,
                            sgn_error *err);
/* The windows of a text, all of whose ids are scored once. begin/end: of the scored ids. Window 0 reads `empty` first, full ones
 * one id of what is before, the last one as many as fit. Returns false past the last. */
bool       sgn_window_at(size_t count, int64_t max_length, int64_t i, size_t *begin, size_t *end, size_t *context);
void       sgn_request_free(sgn_request *q);

#endif
