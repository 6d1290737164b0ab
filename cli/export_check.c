/* SPDX-License-Identifier: MIT */
#include "cli/export_check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "core/rng.h"
#include "data/shard.h"
#include "export/dense_run.h"
#include "export/model_bits.h"
#include "export/runtime.h"
#include "export/sample.h"
#include "train/run_config.h"

enum { WINDOWS = 4, WINDOW = 128 };

/* Where layers round what they read to 8 bits, the last bits of a float decide which step a number on the border takes: logits may be as
 * far apart as those of 8-bit weights, their distributions (nats) not. */
static const double steps_tolerance = 0.16, steps_divergence = 0.02;

/* --- tokens to compare on --------------------------------------------------------------------------- */

static sgn_status read_shards(sgn_export_check *e, const char *where, sgn_error *err) {
    sgn_shards *s;
    SGN_TRY(sgn_shards_open(&s, where, "valid", err));
    const sgn_shard_info *info = sgn_shards_info(s);
    const int64_t vocab = e->model->config.vocab, have = (int64_t)(info->tokens < 1 << 30 ? info->tokens : 1 << 30);
    sgn_status status = SGN_OK;
    if (info->vocab > vocab)
        status = SGN_ERROR(err, SGN_CONFIG, "%s has ids up to %u, but the model's vocabulary has %lld", where, info->vocab - 1,
                           (long long)vocab);
    if (have < e->seq) e->seq = have;
    if (have < e->windows * e->seq) e->windows = have / e->seq;
    if (status == SGN_OK) status = sgn_shards_read(s, 0, (size_t)(e->windows * e->seq), e->ids, err);
    snprintf(e->source, sizeof e->source, "%.140s", sgn_shards_directory(s));
    sgn_shards_close(s);
    return status;
}

static bool read_run_data(sgn_export_check *e, const char *from) {
    sgn_path path;
    sgn_run_config c;
    if (sgn_path_set(&path, NULL, "%s/run.yaml", from) != SGN_OK || !sgn_file_exists(path.s)) return false;
    if (sgn_run_config_load(&c, path.s, NULL, 0, NULL) != SGN_OK || !*c.data.valid) return false;
    return read_shards(e, c.data.valid, NULL) == SGN_OK;
}

sgn_status sgn_export_check_tokens(sgn_export_check *e, const char *shards, const char *from, sgn_error *err) {
    const sgn_model_config *c = &e->model->config;
    e->windows = WINDOWS;
    e->seq = c->context < WINDOW ? c->context : WINDOW;
    e->ids = malloc((size_t)(e->windows * e->seq) * sizeof *e->ids);
    e->want = malloc((size_t)(e->seq * c->vocab) * sizeof *e->want);
    e->got = malloc((size_t)(e->seq * c->vocab) * sizeof *e->got);
    if (!e->ids || !e->want || !e->got) SGN_FAIL(err, SGN_NOMEM, "no memory for the logits of %lld tokens", (long long)e->seq);
    if (shards) return read_shards(e, shards, err);
    if (read_run_data(e, from)) return SGN_OK;
    e->windows = WINDOWS;
    e->seq = c->context < WINDOW ? c->context : WINDOW;
    for (int64_t i = 0; i < e->windows * e->seq; i++)
        e->ids[i] = (int32_t)(sgn_rng_bits(1, sgn_rng_stream("export check"), (uint64_t)i) % (uint64_t)c->vocab);
    snprintf(e->source, sizeof e->source, "random tokens; --data SHARDS compares on text");
    return SGN_OK;
}

/* --- the check ---------------------------------------------------------------------------------------- */

/* Logits by the forward pass that trained. */
static sgn_status train_logits(const sgn_export_check *e, sgn_tape *t, const int32_t *ids, sgn_error *err) {
    const sgn_model_config *c = &e->model->config;
    sgn_tape_begin(t, SGN_TAPE_NOGRAD);
    const sgn_tensor *hidden = sgn_transformer_hidden(e->model, t, ids, 1, e->seq);
    SGN_TRY(sgn_tape_end(t, err));
    sgn_dense_run(sgn_tensor_matrix(sgn_transformer_head(e->model)), hidden->data, e->seq, c->vocab, c->dim, false, e->want);
    return SGN_OK;
}

/* Logits by the runtime, from the file: all but the last token at once, the last by itself. */
static sgn_status file_logits(const sgn_export_check *e, sgn_runtime *r, const sgn_lowered_model *lm, const int32_t *ids, sgn_error *err) {
    const int64_t dim = lm->config.dim, vocab = lm->config.vocab, first = e->seq - 1;
    const float *hidden;
    sgn_runtime_reset(r);
    if (first > 0) {
        SGN_TRY(sgn_runtime_hidden(r, ids, first, &hidden, err));
        sgn_dense_run(lm->head, hidden, first, vocab, dim, false, e->got);
    }
    SGN_TRY(sgn_runtime_hidden(r, ids + first, 1, &hidden, err));
    sgn_runtime_logits(r, hidden, e->got + first * vocab);
    return SGN_OK;
}

/* Of a window with logits `want` and `got`. nats: -log p of the next token; divergence: sum p (log p - log q). */
static void score(sgn_export_check *e, sgn_logit_gap *gap, const int32_t *ids, int64_t vocab) {
    const double scored = (double)((e->seq - 1) * e->windows), all = (double)(e->seq * e->windows);
    for (int64_t t = 0; t < e->seq; t++) {
        const float *p = e->want + t * vocab, *q = e->got + t * vocab;
        const double zp = sgn_log_sum(p, vocab), zq = sgn_log_sum(q, vocab);
        for (int64_t v = 0; v < vocab; v++) {
            const double off = fabs((double)q[v] - (double)p[v]);
            if (!isnan(gap->difference) && !(off <= gap->difference)) gap->difference = off;
            e->largest = fmax(e->largest, fabs((double)p[v]));
            gap->divergence += exp((double)p[v] - zp) * ((double)p[v] - zp - (double)q[v] + zq) / all;
        }
        if (t + 1 == e->seq) return;
        if (gap == &e->exact) e->nats += (zp - (double)p[ids[t + 1]]) / scored;
        gap->nats += (zq - (double)q[ids[t + 1]]) / scored;
    }
}

static bool rounds(const sgn_lowered_model *lm) {
    for (int64_t i = 0; i < lm->config.layers * SGN_LINEARS; i++) {
        const sgn_lowered *l = &lm->blocks[i / SGN_LINEARS].linear[i % SGN_LINEARS];
        for (int c = 0; c < l->count; c++)
            for (int k = 0; k < l->chain[c].count; k++)
                if (l->chain[c].stage[k].kind == SGN_STAGE_QUANT_ACT) return true;
    }
    return false;
}

static sgn_status compare(sgn_export_check *e, sgn_runtime *exact, sgn_runtime *int8, const sgn_lowered_model *lm, sgn_tape *t, sgn_error *err) {
    for (int64_t w = 0; w < e->windows; w++) {
        const int32_t *ids = e->ids + w * e->seq;
        SGN_TRY(train_logits(e, t, ids, err));
        SGN_TRY(file_logits(e, exact, lm, ids, err));
        score(e, &e->exact, ids, lm->config.vocab);
        if (!int8) continue;
        SGN_TRY(file_logits(e, int8, lm, ids, err));
        score(e, &e->int8, ids, lm->config.vocab);
    }
    const bool steps = rounds(lm), apart = steps && e->exact.divergence > fmax(steps_divergence, e->tolerance);
    const double tolerance = steps ? fmax(e->tolerance, steps_tolerance) : e->tolerance;
    if (apart || !(e->exact.difference <= tolerance * fmax(1, e->largest)))
        SGN_FAIL(err, SGN_NUMERIC, "the exported file's logits differ from the model's by %g (largest logit %g), which rounding does "
                 "not explain; nothing was written", e->exact.difference, e->largest);
    return SGN_OK;
}

static sgn_status run_both(sgn_export_check *e, const sgn_lowered_model *lm, sgn_tape *t, sgn_error *err) {
    sgn_runtime *exact = NULL, *int8 = NULL;
    sgn_runtime_options o = { .context = e->seq, .batch = e->seq };
    sgn_status s = sgn_runtime_open(&exact, lm, &o, err);
    o.int8 = true;
    if (s == SGN_OK && e->signs) s = sgn_runtime_open(&int8, lm, &o, err);
    if (s == SGN_OK) s = compare(e, exact, int8, lm, t, err);
    sgn_runtime_close(exact);
    sgn_runtime_close(int8);
    return s;
}

static sgn_status check_file(sgn_export_check *e, const sgn_model_file *f, sgn_error *err) {
    const sgn_lowered_model *lm = sgn_model_file_lowered(f);
    e->bytes = sgn_model_file_bytes(f);
    e->signs = sgn_lowered_model_count(lm).binary_weights > 0;
    SGN_TRY(sgn_model_bits_of(f, &e->bits, err));
    sgn_tape dry, tape = { 0 };
    SGN_TRY(sgn_tape_init_dry(&dry, sgn_transformer_nodes(e->model), err));
    sgn_tape_begin(&dry, SGN_TAPE_NOGRAD);
    sgn_transformer_hidden(e->model, &dry, e->ids, 1, e->seq);
    sgn_status s = sgn_tape_end(&dry, err);
    if (s == SGN_OK) s = sgn_tape_init(&tape, sgn_transformer_nodes(e->model), dry.data.peak, err);
    sgn_tape_free(&dry);
    if (s == SGN_OK) s = run_both(e, lm, &tape, err);
    sgn_tape_free(&tape);
    return s;
}

sgn_status sgn_export_check_file(void *ctx, const char *directory, sgn_error *err) {
    sgn_model_file *f;
    SGN_TRY(sgn_model_file_open(&f, directory, SGN_VERIFY_ALL, err));
    const sgn_status s = check_file(ctx, f, err);
    sgn_model_file_close(f);
    return s;
}

void sgn_export_check_free(sgn_export_check *e) {
    free(e->ids);
    free(e->want);
    free(e->got);
    *e = (sgn_export_check){ 0 };
}
