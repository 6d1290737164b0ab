/* model_options.h - the options that commands which make text with a model have in common.
 *
 *     typedef struct { sgn_model_values model; sgn_sampling_values sampling; ... } values;
 *     static const sgn_option options[] = { SGN_SAMPLING_OPTIONS(values, sampling), SGN_MODEL_OPTIONS(values, model), { 0 } };
 *     values v = { .sampling = SGN_SAMPLING_DEFAULTS };
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_CLI_MODEL_OPTIONS_H
#define SGN_CLI_MODEL_OPTIONS_H

#include "cli/options.h"
#include "cli/verify_options.h"
#include "export/format.h"
#include "serve/generation.h"

typedef struct {
    const char *tokenizer, *cache;
    int64_t     context, threads;
    bool        int8;
    sgn_verify_values verify;
} sgn_model_values;

#define SGN_MODEL_OPTIONS(values, m) \
    { "context", SGN_OPTION_INT, offsetof(values, m.context), "N", "most tokens of prompt and answer; 0: what the model was made for (default)" }, \
    { "cache", SGN_OPTION_WORD, offsetof(values, m.cache), "TYPE", "keys and values as f32 (default), or as f16 in half the memory" }, \
    { "int8", SGN_OPTION_FLAG, offsetof(values, m.int8), NULL, "round what enters products with signs to 8 bits per token: faster, not exact" }, \
    SGN_VERIFY_OPTIONS(values, m.verify), \
    { "tokenizer", SGN_OPTION_WORD, offsetof(values, m.tokenizer), "T", "instead of the model's own tokenizer.json" }, \
    { "threads", SGN_OPTION_INT, offsetof(values, m.threads), "N", "0: as many as the process may use (default)" }

typedef struct {
    double  temperature, top_p, min_p, penalty;
    int64_t top_k, penalty_last, seed;
} sgn_sampling_values;

#define SGN_SAMPLING_DEFAULTS { .temperature = 0.8, .top_p = 0.95, .penalty = 1, .seed = 1 }
#define SGN_SAMPLING_OPTIONS(values, m) \
    { "temperature", SGN_OPTION_REAL, offsetof(values, m.temperature), "T", "0: always the most probable token (default 0.8)" }, \
    { "top-k", SGN_OPTION_INT, offsetof(values, m.top_k), "K", "only the K most probable tokens; 0: all (default)" }, \
    { "top-p", SGN_OPTION_REAL, offsetof(values, m.top_p), "P", "only the most probable tokens that make up P (default 0.95)" }, \
    { "min-p", SGN_OPTION_REAL, offsetof(values, m.min_p), "P", "only tokens at least P times as probable as the most probable one (default 0)" }, \
    { "repetition-penalty", SGN_OPTION_REAL, offsetof(values, m.penalty), "R", "divides positive logits of tokens that came before by R, multiplies others (default 1)" }, \
    { "repetition-last", SGN_OPTION_INT, offsetof(values, m.penalty_last), "N", "that penalty counts the last N tokens only; 0: all (default)" }, \
    { "seed", SGN_OPTION_INT, offsetof(values, m.seed), "N", "the same seed gives the same text (default 1)" }

sgn_sampling sgn_sampling_of(const sgn_sampling_values *v);

/* A model, its tokenizer and what makes text with them; start zeroed. */
typedef struct {
    sgn_model_file *file;
    sgn_tokenizer  *tokenizer;
    sgn_generator  *generator;
} sgn_speaker;

/* Sets the threads, opens the file and its tokenizer. */
sgn_status sgn_speaker_open(sgn_speaker *s, const char *where, const sgn_model_values *v, sgn_error *err);
/* The generator, with a context of at most `most` tokens (0: as told); a second call changes nothing. */
sgn_status sgn_speaker_ready(sgn_speaker *s, const sgn_model_values *v, int64_t most, sgn_error *err);
void       sgn_speaker_close(sgn_speaker *s);
/* Appends the ids of a prompt; an empty one is the start of a document. bos: the token that tokenizer puts before a text comes first. */
sgn_status sgn_speaker_encode(const sgn_speaker *s, const char *text, size_t size, bool bos, bool specials, sgn_ids *out, sgn_error *err);

#endif
