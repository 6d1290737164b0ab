/* live: a frozen model runs beside the student; the head loss reads its hidden states and head,
 * so its logits never exist for more than a few tokens at a time.
 *
 * SPDX-License-Identifier: MIT */
#include "distill/teacher.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "core/kernels/kernels.h"
#include "core/log.h"
#include "data/tokenizer.h"
#include "data/vocabulary.h"
#include "model/model_load.h"

typedef struct {
    sgn_transformer model;
    sgn_tape        tape;
} live;

static sgn_status check_tokenizer(const char *directory, const sgn_teacher_need *need, sgn_error *err) {
    sgn_path path;
    if (!need->tokenizer_hash || !*need->tokenizer_hash) return SGN_OK;
    sgn_tokenizer *t;
    sgn_error why = { 0 };
    const bool found = sgn_vocabulary_find_beside(directory, &path, &why) == SGN_OK;
    if (!found || sgn_tokenizer_open(&t, path.s, &why) != SGN_OK) {
        if (found && why.status != SGN_UNSUPPORTED) SGN_FAIL(err, why.status, "%s", why.text);
        sgn_warn("distill.teacher: whether its tokenizer is that of the shards is not known: %s; both have %lld ids, but compare what "
                 "'signum tokenizer encode' gives for a text with the shards' tokenizer and with the teacher's, or put that beside it",
                 why.text, (long long)need->student->vocab);
        return SGN_OK;
    }
    const bool same = strcmp(sgn_tokenizer_hash(t), need->tokenizer_hash) == 0;
    sgn_tokenizer_close(t);
    if (!same)
        SGN_FAIL(err, SGN_CONFIG, "distill.teacher: %s is not the tokenizer that data.train was made with; tokenize the text "
                 "with it (signum tokenize --tokenizer) or choose a teacher of the same vocabulary", path.s);
    return SGN_OK;
}

static sgn_status check(const sgn_model_config *c, const char *directory, const sgn_teacher_need *need, sgn_error *err) {
    if (c->vocab != need->student->vocab)
        SGN_FAIL(err, SGN_CONFIG, "distill.teacher: '%s' knows %lld tokens and the student %lld, so their predictions do not "
                 "compare; choose a teacher of the same vocabulary, or tokenize the text with the teacher's tokenizer",
                 directory, (long long)c->vocab, (long long)need->student->vocab);
    if (c->context < need->seq)
        SGN_FAIL(err, SGN_CONFIG, "distill.teacher: '%s' was made for %lld tokens of context, train.seq is %lld; lower train.seq",
                 directory, (long long)c->context, (long long)need->seq);
    return check_tokenizer(directory, need, err);
}

/* What the activations of one batch take, from a dry pass. */
static sgn_status size_tape(live *l, const sgn_teacher_need *need, size_t *bytes, sgn_error *err) {
    SGN_TRY(sgn_tape_init_dry(&l->tape, sgn_transformer_nodes(&l->model), err));
    sgn_tape_begin(&l->tape, SGN_TAPE_NOGRAD);
    (void)sgn_transformer_hidden(&l->model, &l->tape, NULL, need->batch, need->seq);
    const sgn_status s = sgn_tape_end(&l->tape, err);
    *bytes = l->tape.data.peak;
    sgn_tape_free(&l->tape);
    return s;
}

/* The model, its weights still zero but for those that stay in the directory's files (NULL: none), and its tape. */
static sgn_status build(sgn_teacher *t, const sgn_model_config *c, const char *directory, const sgn_teacher_need *need,
                        sgn_error *err) {
    size_t bytes;
    live *l = t->state = calloc(1, sizeof *l);
    if (!l) SGN_FAIL(err, SGN_NOMEM, "no memory for the teacher");
    SGN_TRY(sgn_transformer_init(&l->model, c, false, err));
    if (directory) SGN_TRY(sgn_model_map(&l->model, directory, false, err));
    SGN_TRY(sgn_transformer_commit(&l->model, err));
    SGN_TRY(size_tape(l, need, &bytes, err));
    return sgn_tape_init(&l->tape, sgn_transformer_nodes(&l->model), bytes, err);
}

static sgn_status open_live(sgn_teacher *t, const char *where, const sgn_teacher_need *need, sgn_error *err) {
    sgn_path directory;
    sgn_model_config c;
    SGN_TRY(sgn_model_resolve(where, "distill.teacher", &directory, err));
    SGN_TRY(sgn_model_load_config(directory.s, need->student, &c, err));
    SGN_TRY(check(&c, directory.s, need, err));
    SGN_TRY(build(t, &c, directory.s, need, err));
    return sgn_model_load_weights(&((live *)t->state)->model, directory.s, err);
}

static sgn_status soft(sgn_teacher *t, const sgn_batch *b, sgn_soft *out, sgn_error *err) {
    live *l = t->state;
    sgn_tape_begin(&l->tape, SGN_TAPE_NOGRAD);
    const sgn_tensor *hidden = sgn_transformer_documents(&l->model, &l->tape, b->tokens, b->first, b->batch, b->seq);
    SGN_TRY(sgn_tape_end(&l->tape, err));
    const sgn_tensor *head = sgn_transformer_head(&l->model);
    *out = (sgn_soft){ .kind = SGN_SOFT_HIDDEN, .hidden = hidden->data, .head = head->data, .width = l->model.config.dim,
                       .stored = head->stored };
    /* Mapped weights were not read at the start: what is wrong with them shows here. */
    if (isfinite(sgn_kernels_get()->sum_squares(hidden->data, sgn_numel(hidden->shape)))) return SGN_OK;
    return sgn_model_check_mapped(&l->model, err);
}

static sgn_soft expect(const sgn_teacher *t) {
    const live *l = t->state;
    return (sgn_soft){ .kind = SGN_SOFT_HIDDEN, .width = l->model.config.dim, .stored = sgn_transformer_head(&l->model)->stored };
}

static size_t bytes(const sgn_teacher *t) {
    const live *l = t->state;
    return sgn_params_bytes(&l->model.params) + l->tape.data.size + l->tape.book.size;
}

static size_t mapped(const sgn_teacher *t) {
    return sgn_params_stored_bytes(&((const live *)t->state)->model.params);
}

static void close_live(sgn_teacher *t) {
    live *l = t->state;
    if (!l) return;
    sgn_tape_free(&l->tape);
    sgn_transformer_free(&l->model);
    free(l);
}

const sgn_teacher_kind sgn_teacher_live = {
    .name = "live", .summary = "a frozen model of the same vocabulary, run on every batch",
    .open = open_live, .expect = expect, .soft = soft, .bytes = bytes, .mapped = mapped, .close = close_live,
};

sgn_status sgn_teacher_open_random(sgn_teacher *t, const sgn_model_config *c, const sgn_teacher_need *need, sgn_error *err) {
    *t = (sgn_teacher){ .kind = &sgn_teacher_live };
    const sgn_status s = build(t, c, NULL, need, err);
    if (s != SGN_OK) sgn_teacher_close(t);
    else sgn_transformer_randomize(&((live *)t->state)->model, 1);
    return s;
}
