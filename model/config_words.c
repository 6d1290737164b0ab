/* SPDX-License-Identifier: MIT */
#include "model/config_words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const sgn_json *sgn_words_get(sgn_words *w, const char *key) {
    if (w->count < SGN_WORDS) w->read[w->count++] = key;
    const sgn_json *v = sgn_json_get(w->object, key);
    return v && sgn_json_typeof(v) != SGN_JSON_NULL ? v : NULL;
}

sgn_status sgn_words_int(sgn_words *w, const char *key, bool needed, int64_t *out, sgn_error *err) {
    const sgn_json *v = sgn_words_get(w, key);
    if (!v && !needed) return SGN_OK;
    if (!v || sgn_json_typeof(v) != SGN_JSON_INT)
        SGN_FAIL(err, SGN_FORMAT, "%s: %s%s %s", w->where, w->under, key, v ? "is not an integer" : "is missing");
    *out = sgn_json_int(v, 0);
    return SGN_OK;
}

sgn_status sgn_words_real(sgn_words *w, const char *key, double *out, sgn_error *err) {
    const sgn_json *v = sgn_words_get(w, key);
    const sgn_json_type type = sgn_json_typeof(v);
    if (!v) return SGN_OK;
    if (type != SGN_JSON_INT && type != SGN_JSON_REAL) SGN_FAIL(err, SGN_FORMAT, "%s: %s%s is not a number", w->where, w->under, key);
    *out = sgn_json_real(v, 0);
    return SGN_OK;
}

sgn_status sgn_words_bool(sgn_words *w, const char *key, bool *out, sgn_error *err) {
    const sgn_json *v = sgn_words_get(w, key);
    if (!v) return SGN_OK;
    if (sgn_json_typeof(v) != SGN_JSON_BOOL) SGN_FAIL(err, SGN_FORMAT, "%s: %s%s is not true or false", w->where, w->under, key);
    *out = sgn_json_bool(v, false);
    return SGN_OK;
}

sgn_status sgn_words_text(sgn_words *w, const char *key, const char **out, sgn_error *err) {
    const sgn_json *v = sgn_words_get(w, key);
    if (!v) return SGN_OK;
    if (sgn_json_typeof(v) != SGN_JSON_STRING) SGN_FAIL(err, SGN_FORMAT, "%s: %s%s is not a word", w->where, w->under, key);
    *out = sgn_json_string(v, "");
    return SGN_OK;
}

sgn_status sgn_words_refuse(const sgn_words *w, const char *key, const char *only, sgn_error *err) {
    char *value = NULL;
    (void)sgn_json_dump(sgn_json_get(w->object, key), 0, &value, NULL);
    if (only) (void)SGN_ERROR(err, SGN_UNSUPPORTED, "%s: %s%s is %.60s; %s", w->where, w->under, key, value ? value : "?", only);
    else (void)SGN_ERROR(err, SGN_UNSUPPORTED, "%s: %s%s is %.60s, which is not known and may change what the model computes; "
                         "if it does not, take it out of the file", w->where, w->under, key, value ? value : "?");
    free(value);
    return SGN_UNSUPPORTED;
}

/* --- what nobody read ---------------------------------------------------------------------------------- */

/* Words about training, generation and bookkeeping: none enters the forward pass of a decoder. */
static const char *const harmless[] = {
    "attn_implementation", "bad_words_ids", "begin_suppress_tokens", "chunk_size_feed_forward", "decoder_start_token_id",
    "diversity_penalty", "do_sample", "dtype", "early_stopping", "encoder_no_repeat_ngram_size", "exponential_decay_length_penalty",
    "finetuning_task", "gradient_checkpointing", "id2label", "is_decoder", "label2id", "length_penalty", "max_length",
    "max_sequence_length", "min_length", "model_max_length", "name_or_path", "no_repeat_ngram_size", "num_beam_groups",
    "num_beams", "num_return_sequences", "output_attentions", "output_hidden_states", "output_past", "output_scores", "prefix",
    "pretraining_tp", "problem_type", "remove_invalid_values", "reorder_and_upcast_attn", "repetition_penalty", "return_dict",
    "return_dict_in_generate", "summary_activation", "summary_first_dropout", "summary_proj_to_labels", "summary_type",
    "summary_use_proj", "suppress_tokens", "task_specific_params", "temperature", "tf_legacy_loss", "tokenizer_class", "top_k",
    "top_p", "torch_dtype", "torchscript", "transformers_version", "typical_p", "unsloth_fixed", "unsloth_version",
    "use_bfloat16", "use_cache",
};

static bool ends_with(const char *s, const char *end) {
    const size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

static bool changes_nothing(const char *key) {
    for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++)
        if (strcmp(key, harmless[i]) == 0) return true;
    return *key == '_' || ends_with(key, "_token_id") || ends_with(key, "_dropout") || ends_with(key, "_pdrop");
}

static bool says_nothing(const sgn_json *v) {
    switch (sgn_json_typeof(v)) {
    case SGN_JSON_NULL: return true;
    case SGN_JSON_BOOL: return !sgn_json_bool(v, true);
    case SGN_JSON_STRING: return !*sgn_json_string(v, "?");
    case SGN_JSON_ARRAY:
    case SGN_JSON_OBJECT: return sgn_json_size(v) == 0;
    default: return false;
    }
}

sgn_status sgn_words_end(const sgn_words *w, sgn_error *err) {
    for (void *it = sgn_json_iter(w->object); it; it = sgn_json_next(w->object, it)) {
        const char *key = sgn_json_iter_key(it);
        bool known = changes_nothing(key) || says_nothing(sgn_json_iter_value(it));
        for (int i = 0; i < w->count && !known; i++) known = strcmp(key, w->read[i]) == 0;
        if (!known) return sgn_words_refuse(w, key, NULL, err);
    }
    return SGN_OK;
}
