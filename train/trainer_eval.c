/* nats = sum over windows of -log p / tokens;  bits per byte = nats * tokens / (ln 2 * text bytes).
 *
 * SPDX-License-Identifier: MIT */
#include "train/trainer_parts.h"

#include <math.h>
#include <string.h>
#include "data/documents.h"

int64_t sgn_trainer_eval_windows(const sgn_trainer *t) {
    const uint64_t all = (sgn_shards_info(t->valid)->tokens - 1) / (uint64_t)t->config.train.seq;
    const int64_t most = t->config.train.eval_windows;
    return most > 0 && (uint64_t)most < all ? most : (int64_t)all;
}

/* Windows [first, first + rows), the sampler's sequential ones. */
static sgn_status read_windows(sgn_trainer *t, int64_t first, int64_t rows, sgn_error *err) {
    const int64_t seq = t->config.train.seq, size = t->config.train.batch * seq;
    int32_t *tokens = t->eval_tokens, *targets = tokens + size, *begins = targets + size, *ids = begins + size;
    for (int64_t r = 0; r < rows; r++) {
        SGN_TRY(sgn_shards_read(t->valid, (uint64_t)((first + r) * seq), (size_t)seq + 1, ids, err));
        memcpy(tokens + r * seq, ids, (size_t)seq * sizeof *ids);
        memcpy(targets + r * seq, ids + 1, (size_t)seq * sizeof *ids);
    }
    if (t->mix.eot >= 0) sgn_documents_mark(tokens, rows, seq, t->mix.eot, begins, targets);
    return SGN_OK;
}

void sgn_trainer_draw(sgn_trainer *t, bool random) {
    if (!t->config.model.stochastic) return;
    t->model.params.seed = (uint64_t)t->config.train.seed;
    t->model.params.step = random ? (uint64_t)t->at.step + 1 : 0;
    sgn_params_refresh_signs(&t->model.params);
}

static sgn_status evaluate(sgn_trainer *t, double *nats, double *bpb, sgn_error *err) {
    const int64_t seq = t->config.train.seq, batch = t->config.train.batch, windows = sgn_trainer_eval_windows(t);
    sgn_loss_sums sums = { 0 };
    for (int64_t w = 0; w < windows; w += batch) {
        const int64_t rows = windows - w < batch ? windows - w : batch;
        SGN_TRY(read_windows(t, w, rows, err));
        const sgn_head_loss_args loss = {
            .target = t->eval_tokens + batch * seq, .temperature = 1, .scale = 1, .sums = &sums,
        };
        sgn_tape_begin(&t->tape, SGN_TAPE_NOGRAD);
        const int32_t *first = t->mix.eot >= 0 ? t->eval_tokens + 2 * batch * seq : NULL;
        sgn_tensor *hidden = sgn_transformer_documents(&t->model, &t->tape, t->eval_tokens, first, rows, seq);
        sgn_head_loss(&t->tape, hidden, sgn_transformer_head(&t->model), &loss);
        SGN_TRY(sgn_tape_end(&t->tape, err));
    }
    const sgn_shard_info *info = sgn_shards_info(t->valid);
    *nats = sums.hard / (double)(sums.tokens ? sums.tokens : 1);
    *bpb = info->text_bytes ? *nats * (double)info->tokens / (log(2.0) * (double)info->text_bytes) : -1;
    return SGN_OK;
}

sgn_status sgn_trainer_evaluate(sgn_trainer *t, double *nats, double *bpb, sgn_error *err) {
    sgn_trainer_draw(t, false);
    const sgn_status s = evaluate(t, nats, bpb, err);
    sgn_trainer_draw(t, true);
    return s;
}
