/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "eval/evaluate.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/clock.h"
#include "eval/rewrite.h"
#include "eval/scorer.h"
#include "eval/shots.h"

enum { SEED = 1234, BLOCK = 2048 };    /* of few-shot draws; FBI-LLM's block */

/* The sum of values, and of their squared differences from the mean, as they come. */
typedef struct { int64_t n; double sum, squares; } moments;

static double mean(const moments *m) { return m->n ? m->sum / (double)m->n : 0; }

static void add(moments *m, double x) {
    const double before = x - mean(m);
    m->sum += x;
    m->n++;
    m->squares += before * (x - mean(m));
}

/* sample standard deviation / sqrt(n) */
static double standard_error(const moments *m) {
    return m->n > 1 ? sqrt(m->squares / (double)(m->n - 1) / (double)m->n) : -1;
}

typedef struct {
    const sgn_eval_task     *task;
    const sgn_item_set      *items;
    const sgn_lowered_model *model;
    const sgn_eval_options  *o;
    sgn_request_style        style;
    sgn_scorer              *scorer;   /* NULL: measuring how long requests are */
    sgn_request              q[SGN_CHOICES];
    sgn_python_random        random;
    sgn_ids                  ids;      /* of a page or of all blocks */
    int64_t                  longest, block, all;
    moments                  acc, acc_norm, ll;
    double                   words, bytes;
    sgn_eval_result         *out;
} evaluation;

/* Scores, or without a scorer measures, the requests 0..count. */
static sgn_status run(evaluation *e, int count, double *ll, bool *greedy, sgn_error *err) {
    for (int i = 0; i < count && !e->scorer; i++) {
        const int64_t n = (int64_t)e->q[i].ids.count - 1;
        if (n > e->longest) e->longest = n;
        ll[i] = 0;
        e->out->cut += e->q[i].cut;
        e->out->cut_answers += e->q[i].short_of > 0;
    }
    return e->scorer ? sgn_scorer_run(e->scorer, e->q, count, ll, greedy, err) : SGN_OK;
}

/* --- questions ------------------------------------------------------------------------------------ */

static int best(const double *value, int count) {
    int at = 0;
    for (int i = 1; i < count; i++)
        if (value[i] > value[at]) at = i;
    return at;
}

static sgn_status make_requests(evaluation *e, const sgn_item *it, const char *shots, sgn_error *err) {
    const bool choice = e->task->kind == SGN_EVAL_CHOICE;
    char where[SGN_PATH_MAX + 24];
    snprintf(where, sizeof where, "%s:%" PRIu64, e->items->file.s, it->number);
    sgn_status s = SGN_OK;
    for (int i = 0; i < it->count && s == SGN_OK; i++) {
        char *context, *text = NULL;
        const bool made = asprintf(&context, "%s%s%s", shots, it->context, it->option[i] ? it->option[i] : "") >= 0;
        if (made && asprintf(&text, "%s%s", choice ? " " : "", it->text[i]) >= 0)
            s = sgn_request_make(&e->q[i], &e->style, context, text, where, err);
        else s = SGN_ERROR(err, SGN_NOMEM, "%s: no memory for its requests", where);
        if (made) free(context);
        free(text);
    }
    return s;
}

static sgn_status score_item(evaluation *e, const sgn_item *it, sgn_item_score *score, sgn_error *err) {
    char *shots = NULL;
    bool greedy[SGN_CHOICES];
    double by_length[SGN_CHOICES];
    if (e->o->shots) SGN_TRY(sgn_shots_draw(&e->random, e->task, e->o->pool, it, e->o->shots, &shots, err));
    const sgn_status s = make_requests(e, it, shots ? shots : "", err);
    free(shots);
    SGN_TRY(s);
    SGN_TRY(run(e, it->count, score->ll, e->task->kind == SGN_EVAL_LAST_WORD ? greedy : NULL, err));
    if (!e->scorer) return SGN_OK;
    for (int i = 0; i < it->count; i++) {
        score->tokens += (int64_t)e->q[i].scored;
        by_length[i] = score->ll[i] / (double)sgn_count_characters(it->text[i]);
    }
    if (e->task->kind == SGN_EVAL_LAST_WORD) {
        score->greedy = greedy[0];
        add(&e->acc, greedy[0]);
        add(&e->ll, score->ll[0]);
    } else {
        score->pred = best(score->ll, it->count);
        score->pred_norm = best(by_length, it->count);
        add(&e->acc, score->pred == it->gold);
        add(&e->acc_norm, score->pred_norm == it->gold);
    }
    return SGN_OK;
}

/* --- pages and blocks ----------------------------------------------------------------------------- */

static sgn_status set_request(sgn_request *q, int32_t first, const int32_t *ids, size_t count, size_t scored, sgn_error *err) {
    q->ids.count = 0;
    SGN_TRY(sgn_ids_reserve(&q->ids, count + 1, err));
    if (first >= 0) q->ids.id[q->ids.count++] = first;
    memcpy(q->ids.id + q->ids.count, ids, count * sizeof *ids);
    q->ids.count += count;
    q->scored = scored;
    return SGN_OK;
}

static sgn_status score_page(evaluation *e, const sgn_item *it, sgn_item_score *score, sgn_error *err) {
    size_t begin, end, context;
    e->ids.count = 0;
    SGN_TRY(sgn_tokenizer_encode(e->style.tokenizer, it->text[0], strlen(it->text[0]), &e->ids, err));
    for (int64_t i = 0; sgn_window_at(e->ids.count, e->style.max_length, i, &begin, &end, &context); i++) {
        double ll;
        SGN_TRY(set_request(&e->q[0], i == 0 ? e->style.empty : -1, e->ids.id + begin - context, end - begin + context, end - begin, err));
        SGN_TRY(run(e, 1, &ll, NULL, err));
        score->ll[0] += ll;
    }
    score->tokens = (int64_t)e->ids.count;
    score->words = (int64_t)sgn_count_white(it->context) + 1;
    score->bytes = (int64_t)strlen(it->context);
    if (!e->scorer) return SGN_OK;
    add(&e->ll, score->ll[0]);
    e->words += (double)score->words;
    e->bytes += (double)score->bytes;
    return SGN_OK;
}

static sgn_status score_block(evaluation *e, int64_t i, sgn_item_score *score, sgn_error *err) {
    SGN_TRY(set_request(&e->q[0], -1, e->ids.id + i * e->block, (size_t)e->block, (size_t)e->block - 1, err));
    SGN_TRY(run(e, 1, score->ll, NULL, err));
    score->tokens = e->block - 1;
    if (e->scorer) add(&e->ll, score->ll[0] / (double)score->tokens);
    return SGN_OK;
}

/* The ids of the whole text, BOS before it, and how many blocks they are. */
static sgn_status cut_blocks(evaluation *e, sgn_error *err) {
    const char *text = e->items->item[0].text[0];
    e->block = e->o->block ? e->o->block : e->style.max_length < BLOCK ? e->style.max_length : BLOCK;
    if (e->block < 2) SGN_FAIL(err, SGN_CONFIG, "--block %lld: at least 2 tokens are needed", (long long)e->block);
    SGN_TRY(sgn_ids_reserve(&e->ids, 1, err));
    e->out->bos = sgn_tokenizer_bos(e->style.tokenizer);
    if (e->out->bos >= 0) e->ids.id[e->ids.count++] = e->out->bos;
    SGN_TRY(sgn_tokenizer_encode(e->style.tokenizer, text, strlen(text), &e->ids, err));
    e->all = (int64_t)e->ids.count / e->block;
    if (e->task->most_blocks && e->all > e->task->most_blocks) e->all = e->task->most_blocks;
    if (e->all == 0)
        SGN_FAIL(err, SGN_CONFIG, "%s has %zu tokens, too few for one block of %lld; give a shorter --block", e->items->file.s, e->ids.count,
                 (long long)e->block);
    return SGN_OK;
}

/* --- all of them ---------------------------------------------------------------------------------- */

static sgn_status score_one(evaluation *e, int64_t i, sgn_item_score *score, sgn_error *err) {
    const sgn_eval_kind kind = e->task->kind;
    *score = (sgn_item_score){ .item = &e->items->item[kind == SGN_EVAL_BLOCKS ? 0 : i], .index = i };
    if (kind == SGN_EVAL_BLOCKS) return score_block(e, i, score, err);
    return kind == SGN_EVAL_PAGES ? score_page(e, score->item, score, err) : score_item(e, score->item, score, err);
}

/* Once without a scorer, which finds what is wrong with the data before hours are spent, and the memory that is needed. */
static sgn_status score_all(evaluation *e, sgn_error *err) {
    sgn_item_score score;
    sgn_python_random_seed(&e->random, SEED);
    for (int64_t i = 0; i < e->all; i++) {
        SGN_TRY(score_one(e, i, &score, err));
        if (!e->scorer) continue;
        if (e->o->each) SGN_TRY(e->o->each(e->o->ctx, &score, err));
        if (e->o->progress && !e->o->progress(e->o->ctx, i + 1, e->all))
            SGN_FAIL(err, SGN_INTERRUPTED, "stopped in %s after %lld of %lld", e->task->name, (long long)i + 1, (long long)e->all);
    }
    return SGN_OK;
}

static void put(evaluation *e, const char *name, double value, double error) {
    sgn_metric *m = &e->out->metric[e->out->metrics++];
    snprintf(m->name, sizeof m->name, "%s", name);
    m->value = value;
    m->error = error;
}

static void sum_up(evaluation *e) {
    const double nats = -e->ll.sum, perplexity = exp(-mean(&e->ll)), error = standard_error(&e->ll);
    char name[32];
    switch (e->task->kind) {
    case SGN_EVAL_CHOICE:
        put(e, "acc", mean(&e->acc), standard_error(&e->acc));
        if (e->task->by_length) put(e, "acc_norm", mean(&e->acc_norm), standard_error(&e->acc_norm));
        break;
    case SGN_EVAL_LAST_WORD:
        put(e, "acc", mean(&e->acc), standard_error(&e->acc));
        put(e, "perplexity", perplexity, error < 0 ? error : perplexity * error);
        break;
    case SGN_EVAL_PAGES:
        put(e, "word_perplexity", exp(nats / e->words), -1);
        put(e, "byte_perplexity", exp(nats / e->bytes), -1);
        put(e, "bits_per_byte", nats / e->bytes / log(2.0), -1);
        break;
    case SGN_EVAL_BLOCKS:
        snprintf(name, sizeof name, "ppl_block%lld", (long long)e->block);
        put(e, name, perplexity, error < 0 ? error : perplexity * error);
        break;
    }
}

static sgn_status evaluate(evaluation *e, sgn_error *err) {
    e->all = (int64_t)e->items->count;
    if (e->task->kind == SGN_EVAL_BLOCKS) SGN_TRY(cut_blocks(e, err));
    if (e->task->kind == SGN_EVAL_PAGES) SGN_TRY(sgn_request_style_check(&e->style, err));
    if (e->o->limit && e->o->limit < e->all) e->all = e->o->limit;
    SGN_TRY(score_all(e, err));
    SGN_TRY(sgn_scorer_open(&e->scorer, e->model, e->longest > 1 ? e->longest : 1, e->o->int8, err));
    const double begin = sgn_clock_wall();
    SGN_TRY(score_all(e, err));
    e->out->seconds = sgn_clock_wall() - begin;
    e->out->tokens = sgn_scorer_tokens(e->scorer);
    e->out->n = e->all;
    sum_up(e);
    return SGN_OK;
}

sgn_status sgn_evaluate(const sgn_eval_task *task, const sgn_item_set *items, const sgn_lowered_model *m, const sgn_tokenizer *t,
                        const sgn_eval_options *o, sgn_eval_result *out, sgn_error *err) {
    *out = (sgn_eval_result){ .bos = -1, .max_length = o->max_length ? o->max_length : m->config.context };
    if (o->shots && (task->kind == SGN_EVAL_PAGES || task->kind == SGN_EVAL_BLOCKS))
        SGN_FAIL(err, SGN_CONFIG, "%s has no questions, so it takes no --shots", task->name);
    evaluation *e = calloc(1, sizeof *e);
    if (!e) SGN_FAIL(err, SGN_NOMEM, "no memory to evaluate %s", task->name);
    e->task = task;
    e->items = items;
    e->model = m;
    e->o = o;
    e->out = out;
    sgn_status s = sgn_request_style_init(&e->style, t, out->max_length, o->bos, err);
    out->bos = e->style.bos;
    if (s == SGN_OK) s = evaluate(e, err);
    sgn_scorer_close(e->scorer);
    for (int i = 0; i < SGN_CHOICES; i++) sgn_request_free(&e->q[i]);
    sgn_ids_free(&e->ids);
    free(e);
    return s;
}
