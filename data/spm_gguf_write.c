/* The counterpart of spm_gguf.c: what it reads is the model that was written, id by id.
 *
 * SPDX-License-Identifier: MIT */
#include "data/spm_gguf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "data/spm.h"

enum { UNUSED_NAME = 24 };
#define KEY "tokenizer.ggml."

static void say(sgn_spm_lists *l, const char *key, sgn_meta_type type, bool list, uint64_t count, const void *data) {
    l->meta[l->metas++] = (sgn_meta){ key, type, list, count, data };
}

static void say_id(sgn_spm_lists *l, const char *key, int32_t id, uint32_t *place) {
    if (id < 0) return;
    *place = (uint32_t)id;
    say(l, key, SGN_META_U32, false, 1, place);
}

static void list_pieces(sgn_spm_lists *l, const sgn_vocabulary *v, int64_t vocab) {
    char *to = l->made;
    for (int64_t i = 0; i < vocab; i++) {
        const bool used = i < v->count;
        size_t n = 0;
        l->text[i] = to;
        if (used) memcpy(to, sgn_vocabulary_piece(v, (int32_t)i, &n), v->start[i + 1] - v->start[i]);
        else n = (size_t)snprintf(to, UNUSED_NAME, "[PAD%lld]", (long long)i);
        l->score[i] = used ? v->spm->score[i] : 0;
        l->type[i] = used ? v->spm->type[i] : SGN_SPM_UNUSED;
        to[n] = '\0';
        to += n + 1;
    }
}

static void list_values(sgn_spm_lists *l, const sgn_vocabulary *v, uint64_t count) {
    const sgn_spm *m = v->spm;
    l->model = m->unigram ? "t5" : "llama";
    l->adds_bos = m->bos >= 0;
    l->adds_space = m->dummy_prefix;
    l->squeezes = m->squeeze;
    say(l, KEY "model", SGN_META_TEXT, false, 1, &l->model);
    say(l, KEY "tokens", SGN_META_TEXT, true, count, l->text);
    say(l, KEY "scores", SGN_META_F32, true, count, l->score);
    say(l, KEY "token_type", SGN_META_I32, true, count, l->type);
    say_id(l, KEY "bos_token_id", m->bos >= 0 ? m->bos : m->eos, &l->bos);         /* readers have defaults for what is missing */
    say_id(l, KEY "eos_token_id", m->eos, &l->eos);
    say_id(l, KEY "unknown_token_id", m->unk, &l->unknown);
    say_id(l, KEY "padding_token_id", m->pad, &l->pad);
    say(l, KEY "add_bos_token", SGN_META_BOOL, false, 1, &l->adds_bos);
    say(l, KEY "add_space_prefix", SGN_META_BOOL, false, 1, &l->adds_space);
    say(l, KEY "remove_extra_whitespaces", SGN_META_BOOL, false, 1, &l->squeezes);
    if (m->charsmap_size) say(l, KEY "precompiled_charsmap", SGN_META_U8, true, m->charsmap_size, m->charsmap);
    if (!m->unigram && (m->charsmap_size || m->squeeze)) l->passed_over = m->charsmap_size ? "normalization" : "removal of extra spaces";
}

sgn_status sgn_spm_lists_make(sgn_spm_lists *l, const sgn_vocabulary *v, int64_t vocab, sgn_error *err) {
    *l = (sgn_spm_lists){ 0 };
    if (!v->spm->escape) SGN_FAIL(err, SGN_UNSUPPORTED, "its pieces hold plain spaces, which GGUF has no word for");
    if (vocab < v->count) SGN_FAIL(err, SGN_CONFIG, "the tokenizer has %d ids, the model %lld", v->count, (long long)vocab);
    const size_t count = (size_t)vocab, unused = count - (size_t)v->count;
    l->text = calloc(count, sizeof *l->text);
    l->score = calloc(count, sizeof *l->score);
    l->type = calloc(count, sizeof *l->type);
    l->made = malloc(v->start[v->count] + (size_t)v->count + unused * UNUSED_NAME + 1);
    if (!l->text || !l->score || !l->type || !l->made) SGN_FAIL(err, SGN_NOMEM, "no memory for the lists of %zu tokens", count);
    list_pieces(l, v, vocab);
    list_values(l, v, count);
    return SGN_OK;
}

void sgn_spm_lists_free(sgn_spm_lists *l) {
    free((void *)l->text);
    free(l->made);
    free(l->score);
    free(l->type);
    *l = (sgn_spm_lists){ 0 };
}
