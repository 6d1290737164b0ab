/* SPDX-License-Identifier: MIT */
#include "serve/generation.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "core/kernels/kernels.h"

enum { PREFILL = 256 };        /* prompt tokens at a time */

typedef struct { char *at; size_t size, room, shown; } text;   /* shown: given out already, at the beginning */

struct sgn_generator {
    const sgn_lowered_model *model;
    const sgn_tokenizer     *tokenizer;
    sgn_runtime    *runtime;
    sgn_candidates *candidates;
    int64_t         context, batch, ids_told;  /* ids_told: the tokenizer's; ids of padding have no text */
    float          *logits, *work;             /* (vocab) */
    sgn_generation  what;
    sgn_ids         ids;                       /* the prompt and what was added; all but perhaps the last are in the cache */
    size_t          given;                     /* of them, by the prompt */
    int64_t         plain;                     /* of them, in the cache with the bits of an empty cache's first batches */
    const float    *hidden;                    /* of the last token that was read */
    float          *prompt_hidden;             /* (dim) of the prompt's last one, once it was read */
    bool            prompt_read;
    sgn_decoder     decoder;
    size_t          decoded;                   /* bytes that the decoder gave */
    text            text;                      /* of them, what may be the beginning of a stop string */
    sgn_likely      likeliest[SGN_LIKELIEST_MAX];
    float          *prompt_logprob;            /* (given) */
    sgn_likely     *prompt_likeliest;          /* (given, likeliest) */
};

/* --- what it is made of ------------------------------------------------------------------------- */

static sgn_status prepare(sgn_generator *g, const sgn_runtime_options *o, sgn_error *err) {
    const sgn_model_config *c = &g->model->config;
    sgn_runtime_options with = *o;
    if (with.context < 1 || with.context > c->context) with.context = c->context;
    if (with.batch < 1) with.batch = PREFILL;
    if (with.batch > with.context) with.batch = with.context;
    g->context = with.context;
    g->batch = with.batch;
    const int32_t ids = sgn_tokenizer_vocab(g->tokenizer);
    g->ids_told = ids < c->vocab ? ids : c->vocab;
    SGN_TRY(sgn_runtime_open(&g->runtime, g->model, &with, err));
    SGN_TRY(sgn_candidates_open(&g->candidates, g->ids_told, err));
    g->logits = malloc((size_t)c->vocab * sizeof *g->logits);
    g->work = malloc((size_t)c->vocab * sizeof *g->work);
    g->prompt_hidden = malloc((size_t)c->dim * sizeof *g->prompt_hidden);
    if (!g->logits || !g->work || !g->prompt_hidden) SGN_FAIL(err, SGN_NOMEM, "no memory for the logits of %lld ids", (long long)c->vocab);
    return SGN_OK;
}

sgn_status sgn_generator_open(sgn_generator **out, const sgn_lowered_model *m, const sgn_tokenizer *t,
                              const sgn_runtime_options *o, sgn_error *err) {
    *out = NULL;
    sgn_generator *g = calloc(1, sizeof *g);
    if (!g) SGN_FAIL(err, SGN_NOMEM, "no memory to generate text");
    g->model = m;
    g->tokenizer = t;
    const sgn_status s = prepare(g, o, err);
    if (s == SGN_OK) *out = g;
    else sgn_generator_close(g);
    return s;
}

void sgn_generator_close(sgn_generator *g) {
    if (!g) return;
    sgn_runtime_close(g->runtime);
    sgn_candidates_close(g->candidates);
    sgn_decoder_free(&g->decoder);
    sgn_ids_free(&g->ids);
    free(g->logits);
    free(g->work);
    free(g->prompt_hidden);
    free(g->text.at);
    free(g->prompt_logprob);
    free(g->prompt_likeliest);
    free(g);
}

int64_t sgn_generator_context(const sgn_generator *g) { return g->context; }

size_t sgn_generator_bytes(const sgn_generator *g) {
    const size_t vocab = (size_t)g->model->config.vocab;
    return sgn_runtime_bytes(g->runtime) + vocab * (2 * sizeof(float) + 16);
}

const char *sgn_finish_word(sgn_finish f) {
    static const char *const words[] = { [SGN_FINISH_NOT] = "interrupted", [SGN_FINISH_END] = "end", [SGN_FINISH_STOP] = "stop",
                                         [SGN_FINISH_MOST] = "length", [SGN_FINISH_CONTEXT] = "context" };
    return words[f];
}

bool sgn_generation_is_end(const sgn_tokenizer *t, int32_t id) {
    return id >= 0 && (id == sgn_tokenizer_eot(t) || id == sgn_tokenizer_eos(t));
}

sgn_status sgn_generation_check(const sgn_generation *o, sgn_error *err) {
    SGN_TRY(sgn_sampling_check(&o->sampling, err));
    if (o->most < 0 || o->most > INT32_MAX)
        SGN_FAIL(err, SGN_CONFIG, "%lld tokens are to be added; a count from 0 is expected", (long long)o->most);
    if (o->stops < 0 || o->stops > SGN_STOPS_MAX)
        SGN_FAIL(err, SGN_CONFIG, "there are %d stop strings; at most %d are taken", o->stops, SGN_STOPS_MAX);
    for (int i = 0; i < o->stops; i++) {
        const size_t n = strlen(o->stop[i]);
        if (n < 1 || n > SGN_STOP_BYTES_MAX)
            SGN_FAIL(err, SGN_CONFIG, "stop string %d has %zu bytes; 1 to %d are expected", i, n, SGN_STOP_BYTES_MAX);
    }
    if (o->likeliest < 0 || o->likeliest > SGN_LIKELIEST_MAX)
        SGN_FAIL(err, SGN_CONFIG, "the %d most probable tokens are asked for; 0 to %d are told", o->likeliest, SGN_LIKELIEST_MAX);
    return SGN_OK;
}

/* --- how probable --------------------------------------------------------------------------------- */

/* ln p = z - max z - ln sum exp(z - max z), for one id and for the `n` most probable; the lower id of equals first. */
static float tell(sgn_generator *g, int32_t id, sgn_likely *likeliest, int n) {
    const sgn_kernels *k = sgn_kernels_get();
    const int64_t vocab = g->model->config.vocab;
    const float most = k->max(g->logits, vocab), *z = g->logits;
    const double norm = (double)most + log((double)k->exp_sum(g->work, g->logits, vocab, most));
    int kept = 0;
    for (int64_t i = 0; n > 0 && i < g->ids_told; i++) {
        if (kept == n && !(z[i] > z[likeliest[n - 1].id])) continue;
        int at = kept < n ? kept++ : n - 1;
        for (; at > 0 && z[i] > z[likeliest[at - 1].id]; at--) likeliest[at] = likeliest[at - 1];
        likeliest[at].id = (int32_t)i;
    }
    for (int i = 0; i < kept; i++) likeliest[i].logprob = (float)((double)z[likeliest[i].id] - norm);
    for (int i = kept; i < n; i++) likeliest[i] = (sgn_likely){ -1, -INFINITY };
    return id < 0 ? 0 : (float)((double)z[id] - norm);
}

static sgn_status make_room_for_prompt(sgn_generator *g, size_t count, sgn_error *err) {
    free(g->prompt_logprob);
    free(g->prompt_likeliest);
    g->prompt_likeliest = NULL;
    const size_t n = (size_t)g->what.likeliest;
    g->prompt_logprob = malloc(count * sizeof *g->prompt_logprob);
    if (n) g->prompt_likeliest = malloc(count * n * sizeof *g->prompt_likeliest);
    if (!g->prompt_logprob || (n && !g->prompt_likeliest))
        SGN_FAIL(err, SGN_NOMEM, "no memory for the probabilities of %zu tokens", count);
    g->prompt_logprob[0] = NAN;
    for (size_t i = 0; i < n; i++) g->prompt_likeliest[i] = (sgn_likely){ -1, -INFINITY };
    return SGN_OK;
}

static void tell_prompt(sgn_generator *g, size_t at, size_t count) {
    const int64_t dim = g->model->config.dim;
    const size_t n = (size_t)g->what.likeliest;
    for (size_t i = at + 1; i <= at + count && i < g->given; i++) {
        sgn_runtime_logits(g->runtime, g->hidden + (int64_t)(i - 1 - at) * dim, g->logits);
        g->prompt_logprob[i] = tell(g, g->ids.id[i], n ? g->prompt_likeliest + i * n : NULL, (int)n);
    }
}

float sgn_generator_prompt(const sgn_generator *g, size_t i, const sgn_likely **likeliest) {
    const size_t n = (size_t)g->what.likeliest;
    *likeliest = n && i > 0 ? g->prompt_likeliest + i * n : NULL;
    return g->prompt_logprob[i];
}

/* --- tokens in ------------------------------------------------------------------------------------ */

/* Reads what is in `ids` and not yet in the cache; hidden: of the last of it. */
static sgn_status read_on(sgn_generator *g, sgn_error *err) {
    for (int64_t at, left; (at = sgn_runtime_position(g->runtime), left = (int64_t)g->ids.count - at) > 0;) {
        const int64_t m = left < g->batch ? left : g->batch;
        SGN_TRY(sgn_runtime_hidden(g->runtime, g->ids.id + at, m, &g->hidden, err));
        if (g->what.prompt_logprobs && (size_t)at < g->given) tell_prompt(g, (size_t)at, (size_t)m);
        g->hidden += (m - 1) * g->model->config.dim;
    }
    return SGN_OK;
}

static sgn_status check_prompt(const sgn_generator *g, const int32_t *prompt, size_t count, sgn_error *err) {
    const int64_t vocab = g->model->config.vocab;
    if (count < 1) SGN_FAIL(err, SGN_CONFIG, "the prompt is empty; a model goes on from at least one token");
    if (count > (size_t)g->context)
        SGN_FAIL(err, SGN_CONFIG, "the prompt has %zu tokens, but the context has %lld; shorten it", count, (long long)g->context);
    for (size_t i = 0; i < count; i++)
        if (prompt[i] < 0 || prompt[i] >= vocab)
            SGN_FAIL(err, SGN_CONFIG, "token %zu of the prompt is %d, outside the model's vocabulary of %lld ids", i, prompt[i],
                     (long long)vocab);
    return SGN_OK;
}

/* Tokens of the cache that the prompt begins with. */
static int64_t in_common(const sgn_generator *g, const int32_t *prompt, size_t count) {
    const int64_t cached = sgn_runtime_position(g->runtime), most = (int64_t)count < cached ? (int64_t)count : cached;
    int64_t same = 0;
    while (same < most && g->ids.id[same] == prompt[same]) same++;
    return same;
}

/* Is it the prompt that was read last, whose last hidden state and probabilities are at hand? */
static bool is_known(const sgn_generator *g, const sgn_generation *o, size_t count, int64_t same) {
    if (!g->prompt_read || g->given != count || same != (int64_t)count) return false;
    if (o->repeatable && g->plain != same) return false;
    return !o->prompt_logprobs || (g->what.prompt_logprobs && g->what.likeliest == o->likeliest);
}

/* Keeps of the cache what the prompt may use: its last token is read for what it predicts. */
static void keep_beginning(sgn_generator *g, const sgn_generation *o, size_t count, int64_t same) {
    const int64_t most = (int64_t)count - 1, whole = (same < g->plain ? same : g->plain) / g->batch * g->batch;
    int64_t keep = o->prompt_logprobs ? 0 : o->repeatable ? whole : same;
    if (keep > most) keep = o->repeatable ? most / g->batch * g->batch : most;
    sgn_runtime_truncate(g->runtime, keep);
    const int64_t aligned = (whole < keep ? whole : keep) / g->batch * g->batch;
    g->plain = keep == aligned ? (int64_t)count : aligned;     /* batches that begin elsewhere have other bits */
}

static sgn_status read_prompt(sgn_generator *g, sgn_error *err) {
    if (g->what.prompt_logprobs) SGN_TRY(make_room_for_prompt(g, g->given, err));
    SGN_TRY(read_on(g, err));
    memcpy(g->prompt_hidden, g->hidden, (size_t)g->model->config.dim * sizeof *g->hidden);
    g->prompt_read = true;
    return SGN_OK;
}

static sgn_status set_prompt(sgn_generator *g, const int32_t *prompt, size_t count, sgn_error *err) {
    g->ids.count = 0;
    g->prompt_read = false;
    SGN_TRY(sgn_ids_reserve(&g->ids, count, err));
    memcpy(g->ids.id, prompt, count * sizeof *prompt);
    g->ids.count = g->given = count;
    return SGN_OK;
}

sgn_status sgn_generator_begin(sgn_generator *g, const sgn_generation *o, const int32_t *prompt, size_t count, sgn_error *err) {
    SGN_TRY(sgn_generation_check(o, err));
    SGN_TRY(check_prompt(g, prompt, count, err));
    const int64_t same = in_common(g, prompt, count);
    const bool known = is_known(g, o, count, same);
    g->what = *o;
    g->decoder.size = g->decoder.shown = g->decoded = g->text.size = g->text.shown = 0;
    g->decoder.begun = !o->begins;
    g->decoder.specials = o->specials;
    if (known) {
        sgn_runtime_truncate(g->runtime, same);
        g->ids.count = count;
        g->hidden = g->prompt_hidden;
        return SGN_OK;
    }
    keep_beginning(g, o, count, same);
    SGN_TRY(set_prompt(g, prompt, count, err));
    return o->most > 0 || o->prompt_logprobs ? read_prompt(g, err) : SGN_OK;
}

/* --- text out ------------------------------------------------------------------------------------- */

static sgn_status add_text(sgn_generator *g, const char *more, size_t n, sgn_error *err) {
    text *t = &g->text;
    if (t->size + n > t->room) {
        const size_t room = 2 * (t->size + n) + 64;
        char *grown = realloc(t->at, room);
        if (!grown) SGN_FAIL(err, SGN_NOMEM, "no memory for %zu bytes of text", room);
        t->at = grown;
        t->room = room;
    }
    if (n) memcpy(t->at + t->size, more, n);
    t->size += n;
    g->decoded += n;
    return SGN_OK;
}

/* The first byte of the stop string that begins first; false: none is complete. */
static bool find_stop(const sgn_generator *g, size_t *begin) {
    bool found = false;
    for (int i = 0; i < g->what.stops; i++) {
        const char *stop = g->what.stop[i];
        const size_t n = strlen(stop);
        for (size_t at = 0; at + n <= g->text.size && (!found || at < *begin); at++)
            if (memcmp(g->text.at + at, stop, n) == 0) {
                *begin = at;
                found = true;
            }
    }
    return found;
}

/* Bytes at the end of the text that a stop string may begin with. */
static size_t held_back(const sgn_generator *g) {
    size_t most = 0;
    for (int i = 0; i < g->what.stops; i++) {
        size_t n = strlen(g->what.stop[i]) - 1;
        if (n > g->text.size) n = g->text.size;
        for (; n > most; n--)
            if (memcmp(g->text.at + g->text.size - n, g->what.stop[i], n) == 0) most = n;
    }
    return most;
}

static bool ends(const sgn_generator *g, int32_t id) {
    for (int i = 0; i < g->what.stop_ids; i++)
        if (g->what.stop_id[i] == id) return true;
    return !g->what.endless && sgn_generation_is_end(g->tokenizer, id);
}

/* The new token's text, and what of all text is certain now. */
static sgn_status put_text(sgn_generator *g, sgn_generated *out, sgn_error *err) {
    const char *more;
    size_t n, stop = 0;
    out->offset = g->decoded + g->decoder.size - g->decoder.shown;
    if (out->id >= 0 && out->finish != SGN_FINISH_END) {
        SGN_TRY(sgn_decoder_put(&g->decoder, g->tokenizer, out->id, &more, &n, err));
        SGN_TRY(add_text(g, more, n, err));
    }
    if (find_stop(g, &stop)) {
        out->finish = SGN_FINISH_STOP;
        g->text.shown = stop;
    } else if (out->finish) {
        sgn_decoder_end(&g->decoder, &more, &n);
        SGN_TRY(add_text(g, more, n, err));
        g->text.shown = g->text.size;
    } else g->text.shown = g->text.size - held_back(g);
    out->text = g->text.at;
    out->size = g->text.shown;
    return SGN_OK;
}

static void forget_shown(text *t) {
    if (t->shown) memmove(t->at, t->at + t->shown, t->size - t->shown);
    t->size -= t->shown;
    t->shown = 0;
}

static sgn_status choose(sgn_generator *g, sgn_generated *out, sgn_error *err) {
    const size_t made = g->ids.count - g->given;
    const int likeliest = g->what.likeliest;
    SGN_TRY(read_on(g, err));
    sgn_runtime_logits(g->runtime, g->hidden, g->logits);
    if (g->what.logprobs) memcpy(g->work, g->logits, (size_t)g->model->config.vocab * sizeof *g->work);
    sgn_penalize(&g->what.sampling, g->ids.id, g->ids.count, g->given, g->logits, g->candidates);
    out->id = sgn_sample(&g->what.sampling, g->logits, made, g->candidates);
    if (g->what.logprobs) {
        memcpy(g->logits, g->work, (size_t)g->model->config.vocab * sizeof *g->work);
        out->logprob = tell(g, out->id, g->likeliest, likeliest);
        out->likeliest = likeliest ? g->likeliest : NULL;
    }
    if (ends(g, out->id)) {
        out->finish = SGN_FINISH_END;
        return SGN_OK;
    }
    SGN_TRY(sgn_ids_reserve(&g->ids, 1, err));
    g->ids.id[g->ids.count++] = out->id;
    if ((int64_t)made + 1 == g->what.most) out->finish = SGN_FINISH_MOST;
    else if (sgn_runtime_position(g->runtime) == g->context) out->finish = SGN_FINISH_CONTEXT;
    return SGN_OK;
}

sgn_status sgn_generator_next(sgn_generator *g, sgn_generated *out, sgn_error *err) {
    *out = (sgn_generated){ .id = -1 };
    forget_shown(&g->text);
    if (g->what.most > 0) SGN_TRY(choose(g, out, err));
    else out->finish = SGN_FINISH_MOST;
    return put_text(g, out, err);
}
