/* SPDX-License-Identifier: MIT */
#include "eval/perplexity.h"

#include <math.h>
#include <stdlib.h>
#include "core/clock.h"
#include "export/runtime.h"

static sgn_status choose_windows(const sgn_lowered_model *m, sgn_shards *shards, const sgn_perplexity_options *o,
                                 sgn_perplexity *out, sgn_error *err) {
    const sgn_shard_info *info = sgn_shards_info(shards);
    out->seq = o->seq ? o->seq : m->config.context;
    if (out->seq < 1 || o->windows < 0)
        SGN_FAIL(err, SGN_CONFIG, "windows of %lld tokens, %lld of them: at least 1 token, and 0 (all) windows or more are expected",
                 (long long)out->seq, (long long)o->windows);
    const uint64_t all = info->tokens ? (info->tokens - 1) / (uint64_t)out->seq : 0;
    if (all == 0)
        SGN_FAIL(err, SGN_CONFIG, "%s has %llu tokens, too few for one window of %lld and the token behind it; use shorter windows (--seq)",
                 sgn_shards_directory(shards), (unsigned long long)info->tokens, (long long)out->seq);
    out->windows = o->windows > 0 && (uint64_t)o->windows < all ? o->windows : (int64_t)all;
    return SGN_OK;
}

static sgn_status run_windows(sgn_runtime *r, sgn_shards *shards, const sgn_perplexity_options *o, int32_t *ids,
                              sgn_perplexity *out, sgn_error *err) {
    double sum = 0;
    for (int64_t k = 0; k < out->windows; k++) {
        const float *hidden;
        double nats;
        SGN_TRY(sgn_shards_read(shards, (uint64_t)(k * out->seq), (size_t)out->seq + 1, ids, err));
        sgn_runtime_reset(r);
        SGN_TRY(sgn_runtime_hidden(r, ids, out->seq, &hidden, err));
        SGN_TRY(sgn_runtime_nll(r, hidden, ids + 1, out->seq, &nats, NULL, err));
        sum += nats;
        out->tokens += out->seq;
        if (o->progress && !o->progress(o->ctx, k + 1, out->windows, sum / (double)out->tokens))
            SGN_FAIL(err, SGN_INTERRUPTED, "stopped after %lld of %lld windows", (long long)k + 1, (long long)out->windows);
    }
    out->nats_per_token = sum / (double)out->tokens;
    return SGN_OK;
}

sgn_status sgn_perplexity_measure(const sgn_lowered_model *m, sgn_shards *shards, const sgn_perplexity_options *o,
                                  sgn_perplexity *out, sgn_error *err) {
    *out = (sgn_perplexity){ 0 };
    SGN_TRY(choose_windows(m, shards, o, out, err));
    sgn_runtime *r;
    SGN_TRY(sgn_runtime_open(&r, m, &(sgn_runtime_options){ .context = out->seq, .batch = out->seq, .int8 = o->int8 }, err));
    int32_t *ids = malloc((size_t)(out->seq + 1) * sizeof *ids);
    const double begin = sgn_clock_wall();
    const sgn_status s = ids ? run_windows(r, shards, o, ids, out, err)
                             : SGN_ERROR(err, SGN_NOMEM, "no memory for a window of %lld tokens", (long long)out->seq);
    out->seconds = sgn_clock_wall() - begin;
    free(ids);
    sgn_runtime_close(r);
    SGN_TRY(s);
    const sgn_shard_info *info = sgn_shards_info(shards);
    out->perplexity = exp(out->nats_per_token);
    out->bits_per_byte = info->text_bytes ? out->nats_per_token * (double)info->tokens / (log(2.0) * (double)info->text_bytes) : -1;
    out->tokens_per_s = out->seconds > 0 ? (double)out->tokens / out->seconds : 0;
    return SGN_OK;
}
