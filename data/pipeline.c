/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "data/pipeline.h"

#include <stdlib.h>
#include <string.h>
#include "data/pretokenize.h"
#include "data/tokenizer_kind.h"
#include "data/utf8.h"

typedef struct { char *text; size_t n, room; } buffer;

struct sgn_pipeline {
    const sgn_form *form;
    sgn_splitter   *norm[SGN_FORM_STEPS];      /* patterns of Replace */
    sgn_splitter   *cut[SGN_FORM_STEPS];
    buffer          marked[SGN_FORM_STEPS];    /* words with a space or marks put in */
    buffer          normal[2];                 /* text before and after a step */
    unsigned        flags;                     /* of this run */
    sgn_word_fn    *word;
    void           *ctx;
};

void sgn_pipeline_close(sgn_pipeline *p) {
    if (!p) return;
    for (int i = 0; i < SGN_FORM_STEPS; i++) {
        sgn_splitter_close(p->norm[i]);
        sgn_splitter_close(p->cut[i]);
        free(p->marked[i].text);
    }
    free(p->normal[0].text);
    free(p->normal[1].text);
    free(p);
}

static sgn_status open_splitters(sgn_pipeline *p, const sgn_form *f, sgn_error *err) {
    for (int i = 0; i < f->norms; i++)
        if (f->norm[i].pattern && !f->norm[i].literal) SGN_TRY(sgn_splitter_open(&p->norm[i], f->norm[i].pattern, err));
    for (int i = 0; i < f->splits; i++)
        if (f->words[i].pattern) SGN_TRY(sgn_splitter_open(&p->cut[i], f->words[i].pattern, err));
    return SGN_OK;
}

sgn_status sgn_pipeline_open(sgn_pipeline **out, const sgn_form *f, sgn_error *err) {
    sgn_pipeline *p = *out = calloc(1, sizeof *p);
    if (!p) SGN_FAIL(err, SGN_NOMEM, "no memory for a text encoder");
    p->form = f;
    const sgn_status s = open_splitters(p, f, err);
    if (s == SGN_OK) return s;
    sgn_pipeline_close(p);
    *out = NULL;
    return s;
}

static sgn_status reserve(buffer *b, size_t n, sgn_error *err) {
    if (n <= b->room) return SGN_OK;
    char *grown = n < SIZE_MAX / 2 ? realloc(b->text, n + n / 2) : NULL;
    if (!grown) SGN_FAIL(err, SGN_NOMEM, "no memory for %zu bytes of text", n);
    b->text = grown;
    b->room = n + n / 2;
    return SGN_OK;
}

static sgn_status put(buffer *b, const char *text, size_t n, sgn_error *err) {
    SGN_TRY(reserve(b, b->n + n + 1, err));
    if (n) memcpy(b->text + b->n, text, n);
    b->n += n;
    return SGN_OK;
}

/* --- normalizing ------------------------------------------------------------------------------------ */

static sgn_status replace(buffer *to, const char *from, const char *with, const char *text, size_t size, sgn_error *err) {
    const size_t n = strlen(from), m = strlen(with);
    for (const char *hit; (hit = memmem(text, size, from, n)) != NULL;) {
        SGN_TRY(put(to, text, (size_t)(hit - text), err));
        SGN_TRY(put(to, with, m, err));
        size -= (size_t)(hit - text) + n;
        text = hit + n;
    }
    return put(to, text, size, err);
}

static sgn_status replace_pattern(buffer *to, sgn_splitter *s, const char *with, const char *text, size_t size, sgn_error *err) {
    const char *part;
    size_t n;
    sgn_splitter_begin(s, text, size);
    while (sgn_splitter_next(s, &part, &n)) {
        if (sgn_splitter_matched(s)) SGN_TRY(put(to, with, strlen(with), err));
        else SGN_TRY(put(to, part, n, err));
    }
    return sgn_splitter_end(s, err);
}

static size_t spaces_at(const char *text, size_t size) {
    size_t n = 0;
    uint32_t cp;
    for (int k; (k = sgn_utf8_char(text + n, size - n, &cp)) > 0 && sgn_unicode_class(cp) & SGN_SPACE;) n += (size_t)k;
    return n;
}

static sgn_status strip(buffer *to, const sgn_norm_step *s, const char *text, size_t size, sgn_error *err) {
    const size_t left = s->left ? spaces_at(text, size) : 0;
    size_t end = size;
    for (size_t at = size; s->right && at > left;) {           /* back over characters that are white space */
        do at--; while (at > left && ((unsigned char)text[at] & 0xC0) == 0x80);
        if (spaces_at(text + at, end - at) != end - at) break;
        end = at;
    }
    return put(to, text + left, end - left, err);
}

static sgn_status norm_step(sgn_pipeline *p, int i, const char *text, size_t size, buffer *to, sgn_error *err) {
    const sgn_norm_step *s = &p->form->norm[i];
    to->n = 0;
    if (s->kind == SGN_NORM_PREPEND) {
        if (!(p->flags & SGN_ENCODE_CONTINUES) && size) SGN_TRY(put(to, s->text, strlen(s->text), err));
        return put(to, text, size, err);
    }
    if (s->kind == SGN_NORM_STRIP) return strip(to, s, text, size, err);
    if (s->kind == SGN_NORM_REPLACE)
        return s->literal ? replace(to, s->literal, s->text, text, size, err)
                          : replace_pattern(to, p->norm[i], s->text, text, size, err);
    char *form;
    size_t n;
    SGN_TRY(sgn_unicode_normalize(s->form, text, size, &form, &n, err));
    const sgn_status status = put(to, form, n, err);
    free(form);
    return status;
}

/* --- cutting ---------------------------------------------------------------------------------------- */

static sgn_status cut(sgn_pipeline *p, int step, const char *text, size_t n, bool first, sgn_ids *out, sgn_error *err);

/* Parts by the behaviour: [from, end) is the word that is growing; a match may join it or begin the next. */
static sgn_status split(sgn_pipeline *p, int step, const char *text, size_t size, bool first, sgn_ids *out, sgn_error *err) {
    const sgn_words_step *w = &p->form->words[step];
    sgn_splitter *s = p->cut[step];
    const char *part, *from = text, *end = text;
    size_t n;
    bool before = false;                           /* the last part was a match */
    sgn_splitter_begin(s, text, size);
    while (sgn_splitter_next(s, &part, &n)) {
        const bool match = sgn_splitter_matched(s) != w->invert;
        const bool joins = (w->behaviour == SGN_CONTIGUOUS && match == before) || (w->behaviour == SGN_WITH_PREVIOUS && match && !before)
                           || (w->behaviour == SGN_WITH_NEXT && before && !match);
        if (!joins && end > from && !(before && w->behaviour == SGN_REMOVED))
            SGN_TRY(cut(p, step + 1, from, (size_t)(end - from), first && from == text, out, err));
        if (!joins) from = part;
        end = part + n;
        before = match;
    }
    if (end > from && !(before && w->behaviour == SGN_REMOVED))
        SGN_TRY(cut(p, step + 1, from, (size_t)(end - from), first && from == text, out, err));
    return sgn_splitter_end(s, err);
}

/* Marks for spaces, and one put first where the text does not begin with one. */
static sgn_status mark(sgn_pipeline *p, int step, const char *text, size_t n, bool first, sgn_ids *out, sgn_error *err) {
    const sgn_words_step *w = &p->form->words[step];
    buffer *b = &p->marked[step];
    const size_t m = strlen(w->mark);
    const bool begun = first && p->flags & SGN_ENCODE_CONTINUES;
    const bool wanted = w->first == SGN_MARK_ALWAYS || (w->first == SGN_MARK_FIRST && first && !(p->flags & SGN_ENCODE_LATER));
    b->n = 0;
    if (wanted && !begun && text[0] != ' ' && !(n >= m && memcmp(text, w->mark, m) == 0)) SGN_TRY(put(b, w->mark, m, err));
    SGN_TRY(replace(b, " ", w->mark, text, n, err));
    return cut(p, step + 1, b->text, b->n, first, out, err);
}

static sgn_status cut(sgn_pipeline *p, int step, const char *text, size_t n, bool first, sgn_ids *out, sgn_error *err) {
    if (step == p->form->splits) return p->word(p->ctx, text, n, out, err);
    const sgn_words_step *w = &p->form->words[step];
    if (w->kind == SGN_WORDS_SPLIT) return split(p, step, text, n, first, out, err);
    if (w->kind == SGN_WORDS_MARK) return mark(p, step, text, n, first, out, err);
    if (text[0] == ' ' || (first && p->flags & SGN_ENCODE_CONTINUES)) return cut(p, step + 1, text, n, first, out, err);
    buffer *b = &p->marked[step];
    b->n = 0;
    SGN_TRY(put(b, " ", 1, err));
    SGN_TRY(put(b, text, n, err));
    return cut(p, step + 1, b->text, b->n, first, out, err);
}

sgn_status sgn_pipeline_run(sgn_pipeline *p, const char *text, size_t size, unsigned flags, sgn_word_fn *word, void *ctx,
                            sgn_ids *out, sgn_error *err) {
    p->flags = flags;
    p->word = word;
    p->ctx = ctx;
    for (int i = 0; i < p->form->norms; i++) {
        buffer *to = &p->normal[i & 1];
        SGN_TRY(norm_step(p, i, text, size, to, err));
        text = to->text;
        size = to->n;
    }
    return size ? cut(p, 0, text, size, true, out, err) : SGN_OK;
}
