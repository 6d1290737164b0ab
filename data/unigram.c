/* SPDX-License-Identifier: MIT */
#include "data/unigram.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "data/trie.h"
#include "data/utf8.h"

struct sgn_unigram {
    sgn_trie pieces;
    double  *score;            /* (count) */
    double   unk_score;
    int32_t  unk;
    bool     single;
};

static sgn_status fill(sgn_unigram *u, const sgn_vocabulary *v, const sgn_unigram_options *o, sgn_error *err) {
    for (int32_t id = 0; id < v->count; id++) {
        size_t n;
        const char *piece = sgn_vocabulary_piece(v, id, &n);
        u->score[id] = o->score[id];
        if (isfinite(o->score[id])) SGN_TRY(sgn_trie_add(&u->pieces, piece, n, id, err));
    }
    return SGN_OK;
}

sgn_status sgn_unigram_open(sgn_unigram **out, const sgn_vocabulary *v, const sgn_unigram_options *o, sgn_error *err) {
    *out = NULL;
    sgn_unigram *u = calloc(1, sizeof *u);
    if (u) {
        u->score = malloc(((size_t)v->count + 1) * sizeof *u->score);
        u->unk_score = o->unk_score;
        u->unk = o->unk;
        u->single = o->single;
    }
    const sgn_status s = u && u->score ? fill(u, v, o, err)
                                       : SGN_ERROR(err, SGN_NOMEM, "no memory for the scores of %d pieces", v->count);
    if (s == SGN_OK) *out = u;
    else sgn_unigram_close(u);
    return s;
}

void sgn_unigram_close(sgn_unigram *u) {
    if (!u) return;
    sgn_trie_free(&u->pieces);
    free(u->score);
    free(u);
}

static sgn_status reserve(sgn_unigram_path *p, size_t size, sgn_error *err) {
    if (size >= INT32_MAX) SGN_FAIL(err, SGN_UNSUPPORTED, "a text of %zu bytes in one piece; cut it into parts below 2 GiB", size);
    if (size + 1 <= p->room) return SGN_OK;
    free(p->node);
    p->room = size + size / 2 + 64;
    p->node = malloc(p->room * sizeof *p->node);
    if (p->node) return SGN_OK;
    p->room = 0;
    SGN_FAIL(err, SGN_NOMEM, "no memory to cut a text of %zu bytes into pieces", size);
}

enum { UNREACHED = -1 };

static void offer(sgn_unigram_part *to, bool single, int32_t id, size_t begin, double sum) {
    if (to->id != UNREACHED && !(sum > to->sum)) return;
    *to = (sgn_unigram_part){ id, (uint32_t)begin, single ? (double)(float)sum : sum };
}

/* All pieces that begin at `at`; a character is skipped at once where none ends behind it. */
static size_t extend(const sgn_unigram *u, const char *text, size_t size, size_t at, sgn_unigram_part *best) {
    const double here = best[at].sum;
    const int known = sgn_utf8_char(text + at, size - at, NULL);
    const size_t next = at + (size_t)(known ? known : 1);
    bool covered = false;
    uint32_t node = 0;
    for (size_t i = at; i < size && (node = sgn_trie_step(&u->pieces, node, (unsigned char)text[i])) != 0; i++) {
        const int32_t id = u->pieces.id[node];
        if (id < 0) continue;
        offer(&best[i + 1], u->single, id, at, u->score[id] + here);
        covered |= i + 1 == next;
    }
    if (!covered) {
        const double sum = u->unk_score + here;
        offer(&best[next], u->single, u->unk, at, u->single ? (double)(float)sum : sum);
    }
    return next;
}

sgn_status sgn_unigram_cut(const sgn_unigram *u, const char *text, size_t size, sgn_unigram_path *p, sgn_error *err) {
    SGN_TRY(reserve(p, size, err));
    sgn_unigram_part *best = p->node;
    best[0] = (sgn_unigram_part){ 0, 0, 0 };
    for (size_t i = 1; i <= size; i++) best[i].id = UNREACHED;
    for (size_t at = 0; at < size;) at = extend(u, text, size, at, best);
    /* Backwards along the best way; the k-th part from the end takes place size - k, which is not needed any more. */
    size_t to = size;
    sgn_unigram_part whole = { 0, (uint32_t)size, 0 };
    for (size_t end = size; end > 0;) {
        const sgn_unigram_part last = best[end];
        best[to--] = whole;
        whole = last;
        end = last.begin;
    }
    best[to] = whole;
    p->part = best + to;
    p->count = size - to;
    return SGN_OK;
}

void sgn_unigram_path_free(sgn_unigram_path *p) {
    free(p->node);
    *p = (sgn_unigram_path){ 0 };
}
