/* SPDX-License-Identifier: MIT */
#include "serve/completion_request.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "core/config.h"
#include "serve/chat_request.h"

/* --- fields ---------------------------------------------------------------------------------------- */

typedef struct {
    sgn_completion_request     *q;
    const sgn_completion_rules *rules;
    bool                        bos;
    unsigned                    kind;          /* PROMPTS or MESSAGES */
} reading;

typedef sgn_status reader(reading *r, const sgn_json *value, sgn_error *err);
enum { PROMPTS = 1, MESSAGES = 2, BOTH = 3, NEEDED = 4 };      /* requests that have the field */
typedef struct { const char *name; reader *read; unsigned of; } field;      /* read NULL: of no effect here */

static sgn_status read_int(const sgn_json *v, int64_t least, int64_t most, int64_t *out, sgn_error *err) {
    const int64_t n = sgn_json_int(v, least);
    if (sgn_json_typeof(v) != SGN_JSON_INT || n < least || n > most)
        SGN_FAIL(err, SGN_CONFIG, "a whole number from %lld to %lld is expected", (long long)least, (long long)most);
    *out = n;
    return SGN_OK;
}

static sgn_status read_real(const sgn_json *v, double least, double most, double *out, sgn_error *err) {
    const sgn_json_type type = sgn_json_typeof(v);
    const double x = sgn_json_real(v, least);
    if ((type != SGN_JSON_INT && type != SGN_JSON_REAL) || !(x >= least && x <= most))
        SGN_FAIL(err, SGN_CONFIG, "a number from %g to %g is expected", least, most);
    *out = x;
    return SGN_OK;
}

static sgn_status read_bool(const sgn_json *v, bool *out, sgn_error *err) {
    if (sgn_json_typeof(v) != SGN_JSON_BOOL) SGN_FAIL(err, SGN_CONFIG, "true or false is expected");
    *out = sgn_json_bool(v, false);
    return SGN_OK;
}

static sgn_status read_max_tokens(reading *r, const sgn_json *v, sgn_error *err) {
    return read_int(v, 0, INT32_MAX, &r->q->what.most, err);
}
static sgn_status read_n(reading *r, const sgn_json *v, sgn_error *err) { return read_int(v, 1, SGN_CHOICES_MAX, &r->q->n, err); }
static sgn_status read_temperature(reading *r, const sgn_json *v, sgn_error *err) {
    return read_real(v, 0, 2, &r->q->what.sampling.temperature, err);
}
static sgn_status read_top_p(reading *r, const sgn_json *v, sgn_error *err) {
    double *top_p = &r->q->what.sampling.top_p;
    SGN_TRY(read_real(v, 0, 1, top_p, err));
    if (*top_p <= 0) *top_p = 1e-9;                        /* the most probable token alone */
    return SGN_OK;
}
static sgn_status read_min_p(reading *r, const sgn_json *v, sgn_error *err) {
    return read_real(v, 0, 1, &r->q->what.sampling.min_p, err);
}
static sgn_status read_penalty(reading *r, const sgn_json *v, sgn_error *err) {
    return read_real(v, 0.01, 100, &r->q->what.sampling.penalty, err);
}
static sgn_status read_presence(reading *r, const sgn_json *v, sgn_error *err) {
    return read_real(v, -2, 2, &r->q->what.sampling.presence, err);
}
static sgn_status read_frequency(reading *r, const sgn_json *v, sgn_error *err) {
    return read_real(v, -2, 2, &r->q->what.sampling.frequency, err);
}
/* {"50256": -100}: ids in decimal. */
static sgn_status read_bias(reading *r, const sgn_json *v, sgn_error *err) {
    sgn_sampling *s = &r->q->what.sampling;
    if (sgn_json_typeof(v) != SGN_JSON_OBJECT || sgn_json_size(v) > SGN_BIASES_MAX)
        SGN_FAIL(err, SGN_CONFIG, "an object of at most %d token ids with numbers is expected", SGN_BIASES_MAX);
    for (void *it = sgn_json_iter(v); it; it = sgn_json_next(v, it)) {
        const char *key = sgn_json_iter_key(it);
        char *end;
        const long id = strtol(key, &end, 10);
        double add = 0;
        if (*key < '0' || *key > '9' || *end || id >= r->rules->vocab)
            SGN_FAIL(err, SGN_CONFIG, "'%.40s' is no id of the model's vocabulary of %lld", key, (long long)r->rules->vocab);
        SGN_TRY(read_real(sgn_json_iter_value(it), -100, 100, &add, err));
        r->q->bias[s->biases++] = (sgn_bias){ (int32_t)id, (float)add };
    }
    return SGN_OK;
}
static sgn_status read_top_k(reading *r, const sgn_json *v, sgn_error *err) {
    int64_t k = 0;
    SGN_TRY(read_int(v, -1, INT32_MAX, &k, err));          /* -1: all, as some clients say it */
    r->q->what.sampling.top_k = k < 0 ? 0 : k;
    return SGN_OK;
}
static sgn_status read_seed(reading *r, const sgn_json *v, sgn_error *err) {
    int64_t seed = 0;
    SGN_TRY(read_int(v, INT64_MIN, INT64_MAX, &seed, err));
    r->q->what.sampling.seed = (uint64_t)seed;
    r->q->seeded = true;
    return SGN_OK;
}
static sgn_status read_logprobs(reading *r, const sgn_json *v, sgn_error *err) {
    int64_t n = 0;
    SGN_TRY(read_int(v, 0, SGN_LIKELIEST_MAX, &n, err));
    r->q->what.logprobs = true;
    r->q->what.likeliest = (int)n;
    return SGN_OK;
}
/* Of messages: true, and how many of the most probable tokens in another field. */
static sgn_status read_told(reading *r, const sgn_json *v, sgn_error *err) { return read_bool(v, &r->q->what.logprobs, err); }
static sgn_status read_likeliest(reading *r, const sgn_json *v, sgn_error *err) {
    int64_t n = 0;
    SGN_TRY(read_int(v, 0, SGN_LIKELIEST_MAX, &n, err));
    if (n && !r->q->what.logprobs) SGN_FAIL(err, SGN_CONFIG, "this needs \"logprobs\": true");
    r->q->what.likeliest = (int)n;
    return SGN_OK;
}
static sgn_status read_list(reading *r, const sgn_json *v, sgn_error *err) {
    (void)r;
    if (sgn_json_typeof(v) != SGN_JSON_ARRAY) SGN_FAIL(err, SGN_CONFIG, "a list is expected");
    return SGN_OK;
}
static sgn_status read_echo(reading *r, const sgn_json *v, sgn_error *err) { return read_bool(v, &r->q->echo, err); }
static sgn_status read_stream(reading *r, const sgn_json *v, sgn_error *err) { return read_bool(v, &r->q->stream, err); }
static sgn_status read_endless(reading *r, const sgn_json *v, sgn_error *err) { return read_bool(v, &r->q->what.endless, err); }
static sgn_status read_bos(reading *r, const sgn_json *v, sgn_error *err) { return read_bool(v, &r->bos, err); }

static sgn_status read_stream_options(reading *r, const sgn_json *v, sgn_error *err) {
    if (sgn_json_typeof(v) != SGN_JSON_OBJECT) SGN_FAIL(err, SGN_CONFIG, "an object is expected");
    const sgn_json *usage = sgn_json_get(v, "include_usage");
    return usage ? read_bool(usage, &r->q->stream_usage, err) : SGN_OK;
}

static sgn_status add_stop(sgn_completion_request *q, const sgn_json *v, sgn_error *err) {
    const char *text = sgn_json_string(v, NULL);
    if (!text || !*text || strlen(text) > SGN_STOP_BYTES_MAX)
        SGN_FAIL(err, SGN_CONFIG, "a text of 1 to %d bytes, or a list of them, is expected", SGN_STOP_BYTES_MAX);
    q->stop[q->what.stops++] = text;
    return SGN_OK;
}

static sgn_status read_stop(reading *r, const sgn_json *v, sgn_error *err) {
    if (sgn_json_typeof(v) != SGN_JSON_ARRAY) return add_stop(r->q, v, err);
    if (sgn_json_size(v) > SGN_STOPS_MAX) SGN_FAIL(err, SGN_CONFIG, "at most %d texts are expected", SGN_STOPS_MAX);
    for (size_t i = 0; i < sgn_json_size(v); i++) SGN_TRY(add_stop(r->q, sgn_json_at(v, i), err));
    return SGN_OK;
}

static sgn_status read_stop_ids(reading *r, const sgn_json *v, sgn_error *err) {
    if (sgn_json_typeof(v) != SGN_JSON_ARRAY || sgn_json_size(v) > SGN_STOPS_MAX)
        SGN_FAIL(err, SGN_CONFIG, "a list of at most %d token ids is expected", SGN_STOPS_MAX);
    for (size_t i = 0; i < sgn_json_size(v); i++) {
        int64_t id = 0;
        SGN_TRY(read_int(sgn_json_at(v, i), 0, INT32_MAX, &id, err));
        r->q->stop_id[r->q->what.stop_ids++] = (int32_t)id;
    }
    return SGN_OK;
}

/* Fields that are understood, but have one value here. */
static sgn_status read_model(reading *r, const sgn_json *v, sgn_error *err) {
    (void)r;
    if (!sgn_json_string(v, NULL)) SGN_FAIL(err, SGN_CONFIG, "a text is expected");
    return SGN_OK;
}
static sgn_status read_best_of(reading *r, const sgn_json *v, sgn_error *err) {
    const int64_t n = sgn_json_int(sgn_json_get(r->q->json, "n"), 1);
    if (sgn_json_typeof(v) != SGN_JSON_INT || sgn_json_int(v, 0) != n)
        SGN_FAIL(err, SGN_CONFIG, "all answers are given back here; only the value of n, %lld, is taken", (long long)n);
    return SGN_OK;
}
static sgn_status read_nothing(reading *r, const sgn_json *v, sgn_error *err) {
    const char *text = sgn_json_string(v, NULL);
    (void)r;
    if (!text || *text) SGN_FAIL(err, SGN_CONFIG, "this is not done here; leave it out");
    return SGN_OK;
}

static reader read_prompt, read_messages;

/* In this order: prompts and messages come after what says how they are read. */
static const field fields[] = {
    { "model", read_model, BOTH }, { "max_tokens", read_max_tokens, BOTH }, { "max_completion_tokens", read_max_tokens, MESSAGES }, { "n", read_n, BOTH },
    { "best_of", read_best_of, PROMPTS }, { "temperature", read_temperature, BOTH }, { "top_p", read_top_p, BOTH }, { "top_k", read_top_k, BOTH },
    { "min_p", read_min_p, BOTH }, { "repetition_penalty", read_penalty, BOTH }, { "seed", read_seed, BOTH }, { "stop", read_stop, BOTH },
    { "stop_token_ids", read_stop_ids, BOTH }, { "ignore_eos", read_endless, BOTH }, { "logprobs", read_logprobs, PROMPTS },
    { "logprobs", read_told, MESSAGES }, { "top_logprobs", read_likeliest, MESSAGES }, { "echo", read_echo, PROMPTS }, { "stream", read_stream, BOTH },
    { "stream_options", read_stream_options, BOTH }, { "presence_penalty", read_presence, BOTH }, { "frequency_penalty", read_frequency, BOTH },
    { "logit_bias", read_bias, BOTH }, { "suffix", read_nothing, PROMPTS }, { "add_special_tokens", read_bos, PROMPTS },
    { "prompt", read_prompt, PROMPTS | NEEDED }, { "tools", read_list, MESSAGES }, { "messages", read_messages, MESSAGES | NEEDED },
    { "user", NULL, BOTH }, { "metadata", NULL, BOTH }, { "store", NULL, BOTH }, { "cache_prompt", NULL, BOTH },
};
enum { FIELDS = (int)(sizeof fields / sizeof *fields) };

/* --- prompts --------------------------------------------------------------------------------------- */

static sgn_status add_id(const reading *r, sgn_ids *ids, int64_t id, sgn_error *err) {
    if (id < 0 || id >= r->rules->vocab)
        SGN_FAIL(err, SGN_CONFIG, "token %lld is outside the model's vocabulary of %lld ids", (long long)id, (long long)r->rules->vocab);
    SGN_TRY(sgn_ids_reserve(ids, 1, err));
    ids->id[ids->count++] = (int32_t)id;
    return SGN_OK;
}

static sgn_status check_size(const reading *r, const sgn_prompt *p, sgn_error *err) {
    if (p->ids.count < 1) SGN_FAIL(err, SGN_CONFIG, "a prompt is empty, and this model has no token that starts a document");
    if (p->ids.count > (size_t)r->rules->context)
        SGN_FAIL(err, SGN_CONFIG, "this model's context has %lld tokens, but a prompt has %zu", (long long)r->rules->context, p->ids.count);
    return SGN_OK;
}

/* An empty one is the start of a document. */
static sgn_status take_text(const reading *r, const char *text, sgn_error *err) {
    const sgn_tokenizer *t = r->rules->tokenizer;
    sgn_prompt *p = &r->q->prompt[r->q->prompts++];
    p->text = text;
    if (r->bos && sgn_tokenizer_bos(t) >= 0) SGN_TRY(add_id(r, &p->ids, sgn_tokenizer_bos(t), err));
    else if (!*text && sgn_tokenizer_eot(t) >= 0) SGN_TRY(add_id(r, &p->ids, sgn_tokenizer_eot(t), err));
    SGN_TRY(sgn_tokenizer_encode(t, text, strlen(text), &p->ids, err));
    return check_size(r, p, err);
}

static sgn_status take_ids(const reading *r, const sgn_json *list, sgn_error *err) {
    sgn_prompt *p = &r->q->prompt[r->q->prompts++];
    for (size_t i = 0; i < sgn_json_size(list); i++) {
        const sgn_json *id = sgn_json_at(list, i);
        if (sgn_json_typeof(id) != SGN_JSON_INT) SGN_FAIL(err, SGN_CONFIG, "item %zu of a list of token ids is none", i);
        SGN_TRY(add_id(r, &p->ids, sgn_json_int(id, -1), err));
    }
    return check_size(r, p, err);
}

static sgn_status make_room(sgn_completion_request *q, size_t n, sgn_error *err) {
    if (n < 1 || n > SGN_PROMPTS_MAX) SGN_FAIL(err, SGN_CONFIG, "1 to %d prompts are expected, not %zu", SGN_PROMPTS_MAX, n);
    q->prompt = calloc(n, sizeof *q->prompt);
    if (!q->prompt) SGN_FAIL(err, SGN_NOMEM, "no memory for %zu prompts", n);
    return SGN_OK;
}

static sgn_status read_prompt(reading *r, const sgn_json *v, sgn_error *err) {
    const char *text = v ? sgn_json_string(v, NULL) : "";
    const bool list = !text && sgn_json_typeof(v) == SGN_JSON_ARRAY;
    const bool ids = list && sgn_json_size(v) && sgn_json_typeof(sgn_json_at(v, 0)) == SGN_JSON_INT;
    if (!text && !list) SGN_FAIL(err, SGN_CONFIG, "a text, a list of texts, a list of token ids or a list of such lists is expected");
    SGN_TRY(make_room(r->q, text || ids ? 1 : sgn_json_size(v), err));
    if (text) return take_text(r, text, err);
    if (ids) return take_ids(r, v, err);
    for (size_t i = 0; i < sgn_json_size(v); i++) {
        const sgn_json *one = sgn_json_at(v, i);
        if (sgn_json_string(one, NULL)) SGN_TRY(take_text(r, sgn_json_string(one, NULL), err));
        else if (sgn_json_typeof(one) == SGN_JSON_ARRAY) SGN_TRY(take_ids(r, one, err));
        else SGN_FAIL(err, SGN_CONFIG, "item %zu is neither a text nor a list of token ids", i);
    }
    return SGN_OK;
}

/* What ends an answer by the template ends it besides what the request tells. */
static sgn_status read_messages(reading *r, const sgn_json *v, sgn_error *err) {
    sgn_completion_request *q = r->q;
    int ids;
    const int32_t *id = sgn_chat_stop_ids(r->rules->chat, &ids);
    const char *stop = sgn_chat_stop(r->rules->chat);
    (void)v;
    for (int i = 0; i < ids; i++) q->stop_id[q->what.stop_ids++] = id[i];
    if (stop && q->what.stops == SGN_STOPS_MAX) SGN_FAIL(err, SGN_CONFIG, "with the template's own, there are more than %d texts in stop", SGN_STOPS_MAX);
    if (stop) q->stop[q->what.stops++] = stop;
    SGN_TRY(make_room(q, 1, err));
    q->prompts = 1;
    SGN_TRY(sgn_chat_request_ids(r->rules->chat, q->json, &q->prompt[0].ids, err));
    return check_size(r, &q->prompt[0], err);
}

/* --- the whole ------------------------------------------------------------------------------------- */

static sgn_status refuse_unknown(const reading *r, sgn_error *err) {
    sgn_completion_request *q = r->q;
    const char *known[FIELDS];
    int count = 0;
    for (int i = 0; i < FIELDS; i++)
        if (fields[i].of & r->kind) known[count++] = fields[i].name;
    for (void *it = sgn_json_iter(q->json); it; it = sgn_json_next(q->json, it)) {
        const char *name = sgn_json_iter_key(it);
        int i = 0;
        while (i < count && strcmp(name, known[i]) != 0) i++;
        if (i < count) continue;
        const char *near = sgn_nearest(name, known, count);
        q->wrong = name;
        if (near) SGN_FAIL(err, SGN_CONFIG, "unknown field '%.60s'; did you mean '%s'?", name, near);
        SGN_FAIL(err, SGN_CONFIG, "unknown field '%.60s'", name);
    }
    return SGN_OK;
}

static sgn_status read_field(reading *r, const field *f, sgn_error *err) {
    const sgn_json *v = sgn_json_get(r->q->json, f->name);
    sgn_error why = { 0 };
    if (v && sgn_json_typeof(v) == SGN_JSON_NULL) v = NULL;                /* null: the default */
    if (!f->read || !(f->of & r->kind) || (!v && !(f->of & NEEDED))) return SGN_OK;
    const sgn_status s = f->read(r, v, &why);
    if (s == SGN_OK) return SGN_OK;
    r->q->wrong = f->name;
    SGN_FAIL(err, s, "%s: %.400s", f->name, why.text);
}

sgn_status sgn_completion_request_parse(sgn_completion_request *q, const char *body, size_t size, const sgn_completion_rules *rules,
                                        sgn_error *err) {
    reading r = { q, rules, rules->bos, rules->chat ? MESSAGES : PROMPTS };
    sgn_error why = { 0 };
    q->n = 1;
    q->chat = rules->chat != NULL;
    q->what = (sgn_generation){ .sampling = { .temperature = 1, .top_p = 1, .penalty = 1, .bias = q->bias }, .most = q->chat ? INT32_MAX : 16, .stop = q->stop,
                                .stop_id = q->stop_id, .repeatable = true, .begins = q->chat };
    const sgn_status s = sgn_json_parse(&q->json, body, size, "the request", &why);
    if (s != SGN_OK) SGN_FAIL(err, s == SGN_NOMEM ? s : SGN_CONFIG, "%s", why.text);
    if (sgn_json_typeof(q->json) != SGN_JSON_OBJECT) SGN_FAIL(err, SGN_CONFIG, "the request is no JSON object");
    SGN_TRY(refuse_unknown(&r, err));
    for (int i = 0; i < FIELDS; i++) SGN_TRY(read_field(&r, &fields[i], err));
    q->what.prompt_logprobs = q->echo && q->what.logprobs;
    return SGN_OK;
}

void sgn_completion_request_free(sgn_completion_request *q) {
    for (size_t i = 0; i < q->prompts; i++) sgn_ids_free(&q->prompt[i].ids);
    free(q->prompt);
    sgn_json_free(q->json);
    *q = (sgn_completion_request){ .json = NULL };
}
