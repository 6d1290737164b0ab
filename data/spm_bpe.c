/* SPDX-License-Identifier: MIT */
#include "data/spm_bpe.h"

#include <stdlib.h>
#include <string.h>
#include "core/digest.h"
#include "data/spm_bpe_tables.h"
#include "data/utf8.h"

enum { CACHE = 1 << 15, CACHED_BYTES = 30, CACHED_IDS = 8, NO_SYMBOL = -2 };

typedef struct {               /* a stretch of text met before; n = 0: none */
    uint8_t n, count;
    char    text[CACHED_BYTES];
    int32_t id[CACHED_IDS];
} cached;

typedef struct { int32_t symbol, before, after; uint32_t at; } node;   /* symbol -1: joined to its left; NO_SYMBOL: an unknown character */

typedef struct { int32_t left, right; } halves;

struct sgn_spm_joiner {
    const sgn_spm_bpe *b;
    cached   *cache;           /* (CACHE) */
    node     *node;            /* (room) */
    uint64_t *heap;            /* (3 * room): rank << 32 | place of the left node, smallest first */
    size_t    room, heaped;
    halves   *halves;          /* (count) how an unused piece was last offered; left -1: never. NULL: there are none */
};

/* --- agenda ------------------------------------------------------------------------------------------- */

static void heap_push(sgn_spm_joiner *j, uint64_t x) {
    size_t i = j->heaped++;
    for (; i > 0 && j->heap[(i - 1) / 2] > x; i = (i - 1) / 2) j->heap[i] = j->heap[(i - 1) / 2];
    j->heap[i] = x;
}

static uint64_t heap_pop(sgn_spm_joiner *j) {
    const uint64_t top = j->heap[0], x = j->heap[--j->heaped];
    size_t i = 0;
    for (size_t k = 1; k < j->heaped; k = 2 * i + 1) {
        if (k + 1 < j->heaped && j->heap[k + 1] < j->heap[k]) k++;
        if (j->heap[k] >= x) break;
        j->heap[i] = j->heap[k];
        i = k;
    }
    j->heap[i] = x;
    return top;
}

static const sgn_spm_pair *pair_at(const sgn_spm_joiner *j, int32_t left) {
    const int32_t right = left < 0 ? -1 : j->node[left].after;
    return right < 0 ? NULL : sgn_spm_pair_find(j->b, j->node[left].symbol, j->node[right].symbol);
}

static void offer(sgn_spm_joiner *j, int32_t left) {           /* the pair that starts at this node */
    const sgn_spm_pair *p = pair_at(j, left);
    if (!p) return;
    heap_push(j, (uint64_t)p->rank << 32 | (uint32_t)left);
    if (j->halves && j->b->v->spm->type[p->whole] == SGN_SPM_UNUSED) j->halves[p->whole] = (halves){ p->left, p->right };
}

/* --- one stretch ------------------------------------------------------------------------------------------ */

static sgn_status reserve(sgn_spm_joiner *j, size_t n, sgn_error *err) {
    if (n <= j->room) return SGN_OK;
    free(j->node);
    free(j->heap);
    j->heap = NULL;
    j->room = 0;
    const size_t room = n + n / 2 + 64;
    j->node = n < INT32_MAX / 2 ? malloc(room * sizeof *j->node) : NULL;
    j->heap = j->node ? malloc(3 * room * sizeof *j->heap) : NULL;     /* a join pops one and pushes two */
    if (!j->heap) SGN_FAIL(err, SGN_NOMEM, "no memory to join %zu characters", n);
    j->room = room;
    return SGN_OK;
}

static int32_t begin(sgn_spm_joiner *j, const char *text, size_t size) {
    const sgn_spm_bpe *b = j->b;
    int32_t n = 0;
    for (size_t i = 0; i < size; n++) {
        const unsigned char c = (unsigned char)text[i];
        const int k = c < 128 ? 1 : sgn_utf8_char(text + i, size - i, NULL);
        const size_t length = (size_t)(k ? k : 1);
        int32_t symbol = c < 128 ? b->ascii[c] : -1;
        if (c >= 128 && sgn_trie_longest(&b->chars, text + i, length, &symbol) != length) symbol = -1;
        j->node[n] = (node){ symbol < 0 ? NO_SYMBOL : symbol, n - 1, n + 1, (uint32_t)i };
        i += length;
    }
    j->node[n - 1].after = -1;
    return n;
}

static void emit(const sgn_spm_joiner *j, int32_t symbol, const char *text, size_t n, size_t base, sgn_ids *out) {
    const sgn_spm_bpe *b = j->b;
    if (symbol < 0 || symbol >= b->v->count || symbol == b->fallback.unk) {
        sgn_spm_put_unknown(&b->fallback, text, n, base, out);
    } else if (j->halves && j->halves[symbol].left >= 0) {
        const size_t k = b->length[j->halves[symbol].left];
        emit(j, j->halves[symbol].left, text, k, base, out);
        emit(j, j->halves[symbol].right, text + k, n - k, base, out);
    } else {
        out->id[out->count++] = symbol;
    }
}

static sgn_status join(sgn_spm_joiner *j, const char *text, size_t size, size_t base, sgn_ids *out, sgn_error *err) {
    SGN_TRY(reserve(j, size, err));
    SGN_TRY(sgn_ids_reserve(out, 3 * size, err));
    const int32_t n = begin(j, text, size);
    j->heaped = 0;
    for (int32_t i = 0; i + 1 < n; i++) offer(j, i);
    while (j->heaped) {
        const uint64_t top = heap_pop(j);
        const int32_t at = (int32_t)(uint32_t)top;
        node *left = &j->node[at];
        const sgn_spm_pair *p = left->symbol == -1 ? NULL : pair_at(j, at);
        if (!p || p->rank != top >> 32) continue;          /* changed since */
        node *right = &j->node[left->after];
        left->symbol = p->whole;
        left->after = right->after;
        right->symbol = -1;
        if (left->after >= 0) j->node[left->after].before = at;
        offer(j, left->before);
        offer(j, at);
    }
    for (int32_t i = 0; i >= 0; i = j->node[i].after) {
        const int32_t after = j->node[i].after;
        const size_t end = after < 0 ? size : j->node[after].at;
        emit(j, j->node[i].symbol, text + j->node[i].at, end - j->node[i].at, base, out);
    }
    return SGN_OK;
}

/* --- text ----------------------------------------------------------------------------------------------- */

/* An unknown id that goes on from the stretch before is one with it. */
static void fuse(const sgn_spm_joiner *j, size_t base, size_t before, sgn_ids *out) {
    const sgn_spm_fallback *f = &j->b->fallback;
    if (f->bytes || before == base || before == out->count || out->id[before] != f->unk || out->id[before - 1] != f->unk) return;
    out->count--;
    memmove(out->id + before, out->id + before + 1, (out->count - before) * sizeof *out->id);
}

static sgn_status join_cached(sgn_spm_joiner *j, const char *text, size_t n, sgn_ids *out, sgn_error *err) {
    const size_t before = out->count;
    if (n > CACHED_BYTES || j->halves) return join(j, text, n, before, out, err);
    cached *c = &j->cache[sgn_digest64(text, n) & (CACHE - 1)];
    if (c->n == n && memcmp(c->text, text, n) == 0) {
        SGN_TRY(sgn_ids_reserve(out, CACHED_IDS, err));
        memcpy(out->id + before, c->id, sizeof c->id);
        out->count += c->count;
        return SGN_OK;
    }
    SGN_TRY(join(j, text, n, before, out, err));
    const size_t count = out->count - before;
    if (count > CACHED_IDS) return SGN_OK;
    c->n = (uint8_t)n;
    c->count = (uint8_t)count;
    memcpy(c->text, text, n);
    memcpy(c->id, out->id + before, count * sizeof *c->id);
    return SGN_OK;
}

/* Bytes up to where no piece goes on, or one begins that is taken first. */
static size_t stretch(const sgn_spm_bpe *b, const char *text, size_t size) {
    int32_t id;
    size_t n = 1;
    for (; n < size; n++) {
        const unsigned char c = (unsigned char)text[n];
        if (!b->has_unused && sgn_spm_cut_here(b, (unsigned char)text[n - 1], c)) break;
        if (b->has_user && b->user.first[c] && sgn_trie_longest(&b->user, text + n, size - n, &id)) break;
    }
    return n;
}

sgn_status sgn_spm_join(sgn_spm_joiner *j, const char *text, size_t size, sgn_ids *out, sgn_error *err) {
    const sgn_spm_bpe *b = j->b;
    const size_t base = out->count;
    for (int32_t id = 0; j->halves && id < b->v->count; id++) j->halves[id].left = -1;
    for (size_t i = 0, n; i < size; i += n) {
        int32_t id;
        const size_t before = out->count;
        if (b->has_user && (n = sgn_trie_longest(&b->user, text + i, size - i, &id)) > 0) {
            SGN_TRY(sgn_ids_reserve(out, 1, err));
            out->id[out->count++] = id;
            continue;
        }
        n = stretch(b, text + i, size - i);
        SGN_TRY(join_cached(j, text + i, n, out, err));
        fuse(j, base, before, out);
    }
    return SGN_OK;
}

void sgn_spm_joiner_close(sgn_spm_joiner *j) {
    if (!j) return;
    free(j->cache);
    free(j->node);
    free(j->heap);
    free(j->halves);
    free(j);
}

sgn_status sgn_spm_joiner_open(sgn_spm_joiner **out, const sgn_spm_bpe *b, sgn_error *err) {
    *out = NULL;
    sgn_spm_joiner *j = calloc(1, sizeof *j);
    if (j) {
        j->b = b;
        j->cache = calloc(CACHE, sizeof *j->cache);
        j->halves = b->has_unused ? malloc((size_t)b->v->count * sizeof *j->halves) : NULL;
    }
    if (j && j->cache && (j->halves || !b->has_unused)) {
        *out = j;
        return SGN_OK;
    }
    sgn_spm_joiner_close(j);
    SGN_FAIL(err, SGN_NOMEM, "no memory for a text encoder");
}
