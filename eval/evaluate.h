/* evaluate.h - one task on one model: scores of all questions, and what they come to.
 *
 *     acc            share of questions whose gold answer has the highest log-likelihood (the first of equals)
 *     acc_norm       the same of log-likelihood / characters of the answer
 *     perplexity     exp(-mean log-likelihood of the last word)
 *     word_ and byte_perplexity, bits_per_byte    -sum of log-likelihoods over all words or bytes of the pages, as exp and in bits
 *     ppl_blockN     eval/tasks/task_ppl.c
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_EVAL_EVALUATE_H
#define SGN_EVAL_EVALUATE_H

#include "eval/eval_task.h"
#include "eval/requests.h"
#include "model/lowered_model.h"

typedef struct {
    const sgn_item *item;
    int64_t index;                     /* from 0 */
    double  ll[SGN_CHOICES];           /* nats, of each request */
    int     pred, pred_norm;           /* CHOICE */
    bool    greedy;                    /* LAST_WORD */
    int64_t tokens, words, bytes;      /* scored ids; PAGES: of the page as it was */
} sgn_item_score;

typedef struct {
    int64_t     max_length;            /* 0: the model's context */
    int64_t     block;                 /* BLOCKS; 0: 2048, or max_length where that is less */
    int64_t     limit;                 /* the first so many questions, pages or blocks; 0: all */
    int         shots;
    const sgn_item_set *pool;          /* where shots come from */
    bool        int8;                  /* as sgn_runtime_options has it */
    bool        bos;                   /* CHOICE, LAST_WORD, PAGES: put the tokenizer's BOS. BLOCKS always do. */
    /* Both may be NULL. false stops with SGN_INTERRUPTED. */
    bool      (*progress)(void *ctx, int64_t done, int64_t all);
    sgn_status (*each)(void *ctx, const sgn_item_score *score, sgn_error *err);
    void       *ctx;
} sgn_eval_options;

typedef struct { char name[32]; double value, error; } sgn_metric;     /* error: standard error; negative: none */

enum { SGN_METRICS = 3 };
typedef struct {
    sgn_metric metric[SGN_METRICS];
    int        metrics;
    int64_t    n, max_length, tokens;  /* questions, pages or blocks; ids run */
    int64_t    cut, cut_answers;       /* requests that lost the beginning of their context; and of the answer itself */
    int32_t    bos;                    /* put before texts; -1: none was */
    double     seconds;
} sgn_eval_result;

sgn_status sgn_evaluate(const sgn_eval_task *task, const sgn_item_set *items, const sgn_lowered_model *m, const sgn_tokenizer *t,
                        const sgn_eval_options *o, sgn_eval_result *out, sgn_error *err);

#endif
