/* Byte-level BPE: a word starts as its bytes; the adjacent pair whose merge has the lowest rank
 * (the leftmost of equal ones) is joined until no pair has a merge.
 *
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include "data/pretokenize.h"
#include "data/tokenizer_kind.h"

/* --- tables: which pair has which merge --------------------------------------------------------- */

typedef struct {
    int32_t          byte_id[256];
    const sgn_merge *merge;    /* by rank; of the vocabulary */
    int32_t         *slot;     /* hash of (left, right) -> rank + 1 */
    uint32_t         slots;    /* a power of two, at most half of them taken */
} tables;

static uint32_t slot_of(const tables *t, int32_t left, int32_t right) {
    const uint64_t key = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    uint32_t i = (uint32_t)(key * 0x9E3779B97F4A7C15u >> 32) & (t->slots - 1);
    for (; t->slot[i]; i = (i + 1) & (t->slots - 1)) {
        const sgn_merge *m = &t->merge[t->slot[i] - 1];
        if (m->left == left && m->right == right) break;
    }
    return i;
}

static void tables_close(void *p) {
    tables *t = p;
    free(t->slot);
    free(t);
}

static sgn_status fill(tables *t, const sgn_vocabulary *v, const char *where, sgn_error *err) {
    for (int b = 0; b < 256; b++) {
        const char c = (char)b;
        t->byte_id[b] = sgn_vocabulary_find(v, &c, 1);
        if (t->byte_id[b] < 0) SGN_FAIL(err, SGN_FORMAT, "%s: no piece for byte 0x%02X", where, (unsigned)b);
    }
    for (int32_t rank = 0; rank < v->merges; rank++) {
        const uint32_t i = slot_of(t, v->merge[rank].left, v->merge[rank].right);
        if (t->slot[i]) SGN_FAIL(err, SGN_FORMAT, "%s: merge %d is merge %d again", where, rank, t->slot[i] - 1);
        t->slot[i] = rank + 1;
    }
    return SGN_OK;
}

static sgn_status tables_open(void **out, const sgn_vocabulary *v, const char *where, sgn_error *err) {
    *out = NULL;
    tables *t = calloc(1, sizeof *t);
    uint32_t slots = 1024;
    while (slots < 2 * (uint32_t)v->merges) slots *= 2;
    if (t) *t = (tables){ .merge = v->merge, .slots = slots, .slot = calloc(slots, sizeof *t->slot) };
    const sgn_status s = t && t->slot ? fill(t, v, where, err)
                                      : SGN_ERROR(err, SGN_NOMEM, "%s: no memory for %d merges", where, v->merges);
    if (s == SGN_OK) *out = t;
    else if (t) tables_close(t);
    return s;
}

/* --- one word ----------------------------------------------------------------------------------- */

enum { CACHE = 1 << 15, CACHED_BYTES = 22, CACHED_IDS = 6 };

typedef struct {               /* a word met before; n = 0: none */
    uint8_t n, count;
    char    word[CACHED_BYTES];
    int32_t id[CACHED_IDS];
} cached;

typedef struct { int32_t id, before, after; } node;        /* id -1: joined to its left; before, after -1: none */

typedef struct {
    const tables *t;
    sgn_splitter *words;
    cached       *cache;       /* (CACHE), by hash of the word */
    node         *node;        /* (room) */
    uint64_t     *heap;        /* (3 * room): rank << 32 | place of the left piece, smallest first */
    size_t        room, heaped;
} encoder;

static void heap_push(encoder *e, uint64_t x) {
    size_t i = e->heaped++;
    for (; i > 0 && e->heap[(i - 1) / 2] > x; i = (i - 1) / 2) e->heap[i] = e->heap[(i - 1) / 2];
    e->heap[i] = x;
}

static uint64_t heap_pop(encoder *e) {
    const uint64_t top = e->heap[0], x = e->heap[--e->heaped];
    size_t i = 0;
    for (size_t k = 1; k < e->heaped; k = 2 * i + 1) {
        if (k + 1 < e->heaped && e->heap[k + 1] < e->heap[k]) k++;
        if (e->heap[k] >= x) break;
        e->heap[i] = e->heap[k];
        i = k;
    }
    e->heap[i] = x;
    return top;
}

static void offer(encoder *e, int32_t left) {              /* the pair that starts at this place */
    const int32_t right = left < 0 ? -1 : e->node[left].after;
    if (right < 0) return;
    const int32_t rank = e->t->slot[slot_of(e->t, e->node[left].id, e->node[right].id)] - 1;
    if (rank >= 0) heap_push(e, (uint64_t)(uint32_t)rank << 32 | (uint32_t)left);
}

static sgn_status reserve(encoder *e, size_t n, sgn_error *err) {
    if (n <= e->room) return SGN_OK;
    free(e->node);
    free(e->heap);
    e->room = 0;
    const size_t room = 2 * n;
    e->node = n < INT32_MAX / 2 ? malloc(room * sizeof *e->node) : NULL;
    e->heap = e->node ? malloc(3 * room * sizeof *e->heap) : NULL;     /* a join pops one and pushes two */
    if (!e->heap) SGN_FAIL(err, SGN_NOMEM, "no memory for a word of %zu bytes", n);
    e->room = room;
    return SGN_OK;
}

/* Appends the ids of a word; out has room for n. */
static sgn_status join(encoder *e, const char *word, size_t n, sgn_ids *out, sgn_error *err) {
    SGN_TRY(reserve(e, n, err));
    for (size_t i = 0; i < n; i++)
        e->node[i] = (node){ e->t->byte_id[(unsigned char)word[i]], (int32_t)i - 1, i + 1 < n ? (int32_t)i + 1 : -1 };
    e->heaped = 0;
    for (size_t i = 0; i + 1 < n; i++) offer(e, (int32_t)i);
    while (e->heaped) {
        const uint64_t top = heap_pop(e);
        node *left = &e->node[(uint32_t)top];
        const sgn_merge *m = &e->t->merge[top >> 32];
        if (left->id != m->left || left->after < 0 || e->node[left->after].id != m->right) continue;   /* changed since */
        const int32_t at = (int32_t)(uint32_t)top;
        node *right = &e->node[left->after];
        left->id = m->whole;
        left->after = right->after;
        right->id = -1;
        if (left->after >= 0) e->node[left->after].before = at;
        offer(e, left->before);
        offer(e, at);
    }
    for (int32_t i = 0; i >= 0; i = e->node[i].after) out->id[out->count++] = e->node[i].id;
    return SGN_OK;
}

/* --- text --------------------------------------------------------------------------------------- */

static void encoder_close(void *p) {
    encoder *e = p;
    if (!e) return;
    sgn_splitter_close(e->words);
    free(e->cache);
    free(e->node);
    free(e->heap);
    free(e);
}

static sgn_status encoder_open(void **out, const void *t, sgn_error *err) {
    *out = NULL;
    encoder *e = calloc(1, sizeof *e);
    if (e) *e = (encoder){ .t = t, .cache = calloc(CACHE, sizeof *e->cache) };
    const sgn_status s = e && e->cache ? sgn_splitter_open(&e->words, NULL, err)
                                       : SGN_ERROR(err, SGN_NOMEM, "no memory for a text encoder");
    if (s == SGN_OK) *out = e;
    else encoder_close(e);
    return s;
}

static sgn_status encode_word(encoder *e, const char *word, size_t n, sgn_ids *out, sgn_error *err) {
    SGN_TRY(sgn_ids_reserve(out, n, err));
    if (n > CACHED_BYTES) return join(e, word, n, out, err);
    cached *c = &e->cache[sgn_digest64(word, n) & (CACHE - 1)];
    if (c->n != n || memcmp(c->word, word, n) != 0) {
        const size_t before = out->count;
        SGN_TRY(join(e, word, n, out, err));
        const size_t count = out->count - before;
        if (count > CACHED_IDS) return SGN_OK;
        c->n = (uint8_t)n;
        c->count = (uint8_t)count;
        memcpy(c->word, word, n);
        memcpy(c->id, out->id + before, count * sizeof *c->id);
        return SGN_OK;
    }
    memcpy(out->id + out->count, c->id, c->count * sizeof *c->id);
    out->count += c->count;
    return SGN_OK;
}

static sgn_status encode(void *p, const char *text, size_t size, unsigned flags, sgn_ids *out, sgn_error *err) {
    encoder *e = p;
    (void)flags;
    const char *word;
    size_t n;
    sgn_splitter_begin(e->words, text, size);
    while (sgn_splitter_next(e->words, &word, &n)) SGN_TRY(encode_word(e, word, n, out, err));
    return SGN_OK;
}

static bool reads(const sgn_vocabulary *v) { return v->count >= 256; }

const sgn_tokenizer_kind sgn_tok_bpe = {
    .name = "bpe", .help = "byte-level BPE, from a tokenizer.json", .reads = reads,
    .tables_open = tables_open, .tables_close = tables_close,
    .encoder_open = encoder_open, .encoder_close = encoder_close, .encode = encode,
};
