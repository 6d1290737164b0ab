/* SPDX-License-Identifier: MIT */
#include "cli/model_options.h"

#include <string.h>
#include "cli/output.h"
#include "core/parallel.h"

sgn_sampling sgn_sampling_of(const sgn_sampling_values *v) {
    return (sgn_sampling){ .temperature = v->temperature, .top_k = v->top_k, .top_p = v->top_p, .min_p = v->min_p,
                           .penalty = v->penalty, .penalty_last = v->penalty_last, .seed = (uint64_t)v->seed };
}

sgn_status sgn_speaker_open(sgn_speaker *s, const char *where, const sgn_model_values *v, sgn_error *err) {
    if (v->context < 0) SGN_FAIL(err, SGN_CONFIG, "--context is %lld; a count of tokens from 1, or 0, is expected", (long long)v->context);
    if (v->cache && strcmp(v->cache, "f16") != 0 && strcmp(v->cache, "f32") != 0)
        SGN_FAIL(err, SGN_CONFIG, "--cache is '%.40s'; f16 or f32 is expected", v->cache);
    sgn_threads_set((int)v->threads);
    SGN_TRY(sgn_model_file_open(&s->file, where, sgn_verify_of(v->verify), err));
    return sgn_model_tokenizer(s->file, v->tokenizer, &s->tokenizer, err);
}

sgn_status sgn_speaker_ready(sgn_speaker *s, const sgn_model_values *v, int64_t most, sgn_error *err) {
    if (s->generator) return SGN_OK;
    const sgn_lowered_model *lm = sgn_model_file_lowered(s->file);
    int64_t context = v->context ? v->context : lm->config.context;
    if (most && most < context) context = most;
    const sgn_runtime_options o = { .context = context, .int8 = v->int8, .cache = v->cache && strcmp(v->cache, "f16") == 0 ? SGN_DTYPE_F16 : SGN_DTYPE_F32 };
    return sgn_generator_open(&s->generator, lm, s->tokenizer, &o, err);
}

void sgn_speaker_close(sgn_speaker *s) {
    sgn_generator_close(s->generator);
    sgn_tokenizer_close(s->tokenizer);
    sgn_model_file_close(s->file);
}

static sgn_status add_id(sgn_ids *ids, int32_t id, sgn_error *err) {
    SGN_TRY(sgn_ids_reserve(ids, 1, err));
    ids->id[ids->count++] = id;
    return SGN_OK;
}

sgn_status sgn_speaker_encode(const sgn_speaker *s, const char *text, size_t size, bool bos, bool specials, sgn_ids *out, sgn_error *err) {
    const int32_t first = sgn_tokenizer_bos(s->tokenizer), eot = sgn_tokenizer_eot(s->tokenizer);
    if (bos && first < 0) SGN_FAIL(err, SGN_CONFIG, "this model's tokenizer has no token that begins a text; leave --bos out");
    if (bos) SGN_TRY(add_id(out, first, err));
    else if (!size && eot < 0) SGN_FAIL(err, SGN_CONFIG, "this model has no token that starts a document; say something with --prompt");
    else if (!size) SGN_TRY(add_id(out, eot, err));
    return sgn_tokenizer_encode_as(s->tokenizer, text, size, specials ? SGN_ENCODE_SPECIALS : 0, out, err);
}
