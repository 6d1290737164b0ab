/* Byte pair encoding: a word starts as its bytes or characters; the adjacent pair whose merge has the
 * lowest rank (the leftmost of equal ones) is joined until no pair has a merge.
 *
 * SPDX-License-Identifier: MIT */
#include "data/bpe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "data/utf8.h"

/* --- tables: which pair has which merge --------------------------------------------------------- */

struct sgn_bpe {
    sgn_bpe_rules    rules;
    const sgn_vocabulary *v;
    int32_t          byte_id[256];     /* of the byte, or of its <0xHH>; -1: none */
    const sgn_merge *merge;    /* by rank; of the vocabulary */
    int32_t         *slot;     /* hash of (left, right) -> rank + 1 */
    uint32_t         slots;    /* a power of two, at most half of them taken */
    bool             marks;    /* no merge reaches over the place before a U+2581 */
};

static uint32_t slot_of(const sgn_bpe *t, int32_t left, int32_t right) {
    const uint64_t key = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    uint32_t i = (uint32_t)(key * 0x9E3779B97F4A7C15u >> 32) & (t->slots - 1);
    for (; t->slot[i]; i = (i + 1) & (t->slots - 1)) {
        const sgn_merge *m = &t->merge[t->slot[i] - 1];
        if (m->left == left && m->right == right) break;
    }
    return i;
}

void sgn_bpe_close(sgn_bpe *t) {
    if (!t) return;
    free(t->slot);
    free(t);
}

static bool is_mark(const char *text, size_t n) { return n >= 3 && memcmp(text, "\xE2\x96\x81", 3) == 0; }

static sgn_status find_bytes(sgn_bpe *t, const char *where, sgn_error *err) {
    for (int b = 0; b < 256; b++) {
        char text[8] = { (char)b };
        if (!t->rules.bytes) snprintf(text, sizeof text, "<0x%02X>", (unsigned)b);
        t->byte_id[b] = t->rules.bytes || t->rules.fallback ? sgn_vocabulary_find(t->v, text, t->rules.bytes ? 1 : 6) : -1;
        if (t->byte_id[b] < 0 && t->rules.bytes)
            SGN_FAIL(err, SGN_FORMAT, "%s: model.vocab: no piece for byte 0x%02X; text could not be encoded without loss", where,
                     (unsigned)b);
        if (t->byte_id[b] < 0 && t->rules.unk < 0)
            SGN_FAIL(err, SGN_FORMAT, t->rules.fallback ? "%s: model.vocab: no piece %s, and model.unk_token is null"
                     : "%s: neither model.byte_fallback nor model.unk_token is set; text could not be encoded%.0s", where, text);
    }
    return SGN_OK;
}

static sgn_status fill(sgn_bpe *t, const char *where, sgn_error *err) {
    SGN_TRY(find_bytes(t, where, err));
    t->marks = !t->rules.bytes && sgn_vocabulary_find(t->v, "\xE2\x96\x81", 3) >= 0;
    for (int32_t rank = 0; rank < t->v->merges; rank++) {
        const sgn_merge *m = &t->merge[rank];
        const uint32_t i = slot_of(t, m->left, m->right);
        if (t->slot[i]) SGN_FAIL(err, SGN_FORMAT, "%s: model.merges[%d] is merge %d again", where, rank, t->slot[i] - 1);
        t->slot[i] = rank + 1;
        size_t n, k;
        const char *left = sgn_vocabulary_piece(t->v, m->left, &n), *right = sgn_vocabulary_piece(t->v, m->right, &k);
        if (is_mark(right, k) && !(n >= 3 && is_mark(left + n - 3, 3))) t->marks = false;
    }
    return SGN_OK;
}

sgn_status sgn_bpe_open(sgn_bpe **out, const sgn_vocabulary *v, const sgn_bpe_rules *rules, const char *where, sgn_error *err) {
    *out = NULL;
    sgn_bpe *t = calloc(1, sizeof *t);
    uint32_t slots = 1024;
    while (slots < 2 * (uint32_t)v->merges) slots *= 2;
    if (t) *t = (sgn_bpe){ .rules = *rules, .v = v, .merge = v->merge, .slots = slots, .slot = calloc(slots, sizeof *t->slot) };
    const sgn_status s = t && t->slot ? fill(t, where, err)
                                      : SGN_ERROR(err, SGN_NOMEM, "%s: no memory for %d merges", where, v->merges);
    if (s == SGN_OK) *out = t;
    else sgn_bpe_close(t);
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

struct sgn_bpe_encoder {
    const sgn_bpe *t;
    cached       *cache;       /* (CACHE), by hash of the word */
    node         *node;        /* (room) */
    uint64_t     *heap;        /* (3 * room): rank << 32 | place of the left piece, smallest first */
    size_t        room, heaped;
};
typedef sgn_bpe_encoder encoder;

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

/* The characters of a word as nodes; those that are no piece as their bytes, or as unknown. */
static size_t characters(encoder *e, const char *word, size_t n) {
    const sgn_bpe *t = e->t;
    size_t nodes = 0;
    for (size_t i = 0, k; i < n; i += k) {
        k = (size_t)sgn_utf8_char(word + i, n - i, NULL);
        const int32_t id = k ? sgn_vocabulary_find(t->v, word + i, k) : -1;
        k += k == 0;
        bool known = true;                         /* the bytes */
        for (size_t b = 0; b < k; b++) known &= t->byte_id[(unsigned char)word[i + b]] >= 0;
        if (id >= 0 && !t->v->special[id]) e->node[nodes++].id = id;
        else if (known) for (size_t b = 0; b < k; b++) e->node[nodes++].id = t->byte_id[(unsigned char)word[i + b]];
        else if (!t->rules.fuse_unk || !nodes || e->node[nodes - 1].id != t->rules.unk) e->node[nodes++].id = t->rules.unk;
    }
    return nodes;
}

static void link_up(encoder *e, size_t n) {
    for (size_t i = 0; i < n; i++) {
        e->node[i].before = (int32_t)i - 1;
        e->node[i].after = i + 1 < n ? (int32_t)i + 1 : -1;
    }
}

/* Appends the ids of a word; out has room for n. */
static sgn_status join(encoder *e, const char *word, size_t n, sgn_ids *out, sgn_error *err) {
    SGN_TRY(reserve(e, n, err));
    if (e->t->rules.bytes) for (size_t i = 0; i < n; i++) e->node[i].id = e->t->byte_id[(unsigned char)word[i]];
    else n = characters(e, word, n);
    link_up(e, n);
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

/* --- words -------------------------------------------------------------------------------------- */

void sgn_bpe_encoder_close(sgn_bpe_encoder *e) {
    if (!e) return;
    free(e->cache);
    free(e->node);
    free(e->heap);
    free(e);
}

sgn_status sgn_bpe_encoder_open(sgn_bpe_encoder **out, const sgn_bpe *t, sgn_error *err) {
    encoder *e = *out = calloc(1, sizeof *e);
    if (e) *e = (encoder){ .t = t, .cache = calloc(CACHE, sizeof *e->cache) };
    if (e && e->cache) return SGN_OK;
    free(e);
    *out = NULL;
    SGN_FAIL(err, SGN_NOMEM, "no memory for a text encoder");
}

static sgn_status word_ids(encoder *e, const char *word, size_t n, sgn_ids *out, sgn_error *err) {
    const int32_t id = e->t->rules.whole_words ? sgn_vocabulary_find(e->t->v, word, n) : -1;
    if (id < 0 || e->t->v->special[id]) return join(e, word, n, out, err);
    out->id[out->count++] = id;
    return SGN_OK;
}

static sgn_status encode_word(encoder *e, const char *word, size_t n, sgn_ids *out, sgn_error *err) {
    SGN_TRY(sgn_ids_reserve(out, n, err));
    if (n > CACHED_BYTES) return word_ids(e, word, n, out, err);
    cached *c = &e->cache[sgn_digest64(word, n) & (CACHE - 1)];
    if (c->n != n || memcmp(c->word, word, n) != 0) {
        const size_t before = out->count;
        SGN_TRY(word_ids(e, word, n, out, err));
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

sgn_status sgn_bpe_encode(sgn_bpe_encoder *e, const char *text, size_t size, sgn_ids *out, sgn_error *err) {
    if (!e->t->marks) return encode_word(e, text, size, out, err);
    for (size_t at = 0, end; at < size; at = end) {
        end = at;
        while (is_mark(text + end, size - end)) end += 3;
        while (end < size && !is_mark(text + end, size - end)) end++;
        SGN_TRY(encode_word(e, text + at, end - at, out, err));
    }
    return SGN_OK;
}
