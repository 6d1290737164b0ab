/* The charsmap is a u32 with the bytes of a trie, the trie, and strings with a NUL behind each; the trie is a
 * double array as darts-clone writes it. A unit of it, with node ^ byte as its place:
 *     label = bits 0..7 and 31, leaf = bit 8, offset = (unit >> 10) << (bit 9 ? 8 : 0), next node = place ^ offset;
 * where leaf is set the unit at the next node holds (bits 0..30) where the replacement begins.
 *
 * SPDX-License-Identifier: MIT */
#include "data/spm_normalize.h"

#include <stdlib.h>
#include <string.h>
#include "data/trie.h"
#include "data/utf8.h"

struct sgn_spm_normalizer {
    uint32_t   *unit;          /* (units) */
    size_t      units;
    const char *strings;       /* of the model's charsmap */
    sgn_trie    user;          /* pieces that are never changed */
    bool        plain[256];    /* bytes that are copied as they are */
    bool        squeeze, prefix, repair, fold, has_user;
    char        mark[4];       /* what a space becomes */
    size_t      mark_size;
};

static uint32_t label(uint32_t unit) { return unit & 0x800000FFu; }
static bool leaf(uint32_t unit) { return unit >> 8 & 1; }
static uint32_t offset(uint32_t unit) { return (unit >> 10) << ((unit & 0x200u) >> 6); }

/* --- checking the charsmap -------------------------------------------------------------------------- */

typedef struct { uint32_t node, byte; } visit;
enum { NEW, OPEN, DONE };

/* The node behind a byte is there and no way leads back to it; *next: where to go on, 0: nowhere. */
static sgn_status check_step(const sgn_spm_normalizer *n, size_t strings, const uint8_t *state, visit at, uint32_t *next,
                             const char *where, sgn_error *err) {
    const uint32_t place = at.node ^ at.byte;
    *next = 0;
    if (place >= n->units)
        SGN_FAIL(err, SGN_FORMAT, "%s: precompiled_charsmap: node %u leads to unit %u of %zu", where, at.node, place, n->units);
    const uint32_t u = n->unit[place];
    if (label(u) != at.byte) return SGN_OK;
    const uint32_t to = place ^ offset(u);
    if (to >= n->units) SGN_FAIL(err, SGN_FORMAT, "%s: precompiled_charsmap: unit %u leads to unit %u of %zu", where, place, to, n->units);
    if (leaf(u) && (n->unit[to] & 0x7FFFFFFF) >= strings)
        SGN_FAIL(err, SGN_FORMAT, "%s: precompiled_charsmap: unit %u names string %u, but there are %zu bytes of them", where, to,
                 n->unit[to] & 0x7FFFFFFF, strings);
    if (state[to] == OPEN) SGN_FAIL(err, SGN_FORMAT, "%s: precompiled_charsmap: unit %u is part of a loop", where, to);
    if (state[to] == NEW) *next = to;
    return SGN_OK;
}

/* Depth first; a node may be shared, but may not lead to itself. */
static sgn_status check_trie(const sgn_spm_normalizer *n, size_t strings, visit *stack, uint8_t *state, const char *where, sgn_error *err) {
    size_t depth = 1;
    stack[0] = (visit){ offset(n->unit[0]), 0 };
    if (stack[0].node >= n->units)
        SGN_FAIL(err, SGN_FORMAT, "%s: precompiled_charsmap: the root leads to unit %u of %zu", where, stack[0].node, n->units);
    state[stack[0].node] = OPEN;
    while (depth) {
        visit *top = &stack[depth - 1];
        if (top->byte == 256) {
            state[top->node] = DONE;
            depth--;
            continue;
        }
        uint32_t next;
        SGN_TRY(check_step(n, strings, state, *top, &next, where, err));
        top->byte++;
        if (!next) continue;
        state[next] = OPEN;
        stack[depth++] = (visit){ next, 0 };
    }
    return SGN_OK;
}

static sgn_status open_charsmap(sgn_spm_normalizer *n, const sgn_spm *m, const char *where, sgn_error *err) {
    const uint8_t *p = m->charsmap;
    uint32_t bytes = 0;
    for (int i = 0; i < 4 && m->charsmap_size >= 4; i++) bytes |= (uint32_t)p[i] << 8 * i;
    if (m->charsmap_size < 4 || bytes > m->charsmap_size - 4 || bytes % 4 || bytes == 0)
        SGN_FAIL(err, SGN_FORMAT, "%s: precompiled_charsmap: its %zu bytes begin with a trie of %u", where, m->charsmap_size, bytes);
    const size_t strings = m->charsmap_size - 4 - bytes;
    n->units = bytes / 4;
    n->strings = (const char *)p + 4 + bytes;
    if (strings == 0 || n->strings[strings - 1])
        SGN_FAIL(err, SGN_FORMAT, "%s: precompiled_charsmap: its last string has no end", where);
    n->unit = calloc(n->units, sizeof *n->unit);
    visit *stack = malloc(n->units * sizeof *stack);
    uint8_t *state = calloc(n->units, 1);
    sgn_status s = SGN_OK;
    if (!n->unit || !stack || !state) s = SGN_ERROR(err, SGN_NOMEM, "%s: no memory for precompiled_charsmap", where);
    for (size_t i = 0; i < n->units && s == SGN_OK; i++) {
        const uint8_t *u = p + 4 + 4 * i;
        n->unit[i] = u[0] | (uint32_t)u[1] << 8 | (uint32_t)u[2] << 16 | (uint32_t)u[3] << 24;
    }
    if (s == SGN_OK) s = check_trie(n, strings, stack, state, where, err);
    free(stack);
    free(state);
    return s;
}

/* --- open and close --------------------------------------------------------------------------------- */

static sgn_status fill(sgn_spm_normalizer *n, const sgn_vocabulary *v, const char *where, sgn_error *err) {
    const sgn_spm *m = v->spm;
    if (m->charsmap) SGN_TRY(open_charsmap(n, m, where, err));
    for (int b = 0; b < 128; b++) {
        const uint32_t place = n->units ? offset(n->unit[0]) ^ (uint32_t)b : 0;
        n->plain[b] = !n->units || label(n->unit[place]) != (uint32_t)b;
    }
    n->plain[' '] &= !m->squeeze && n->mark_size == 1;
    for (int32_t id = 0; id < v->count; id++) {
        size_t size;
        const char *piece = sgn_vocabulary_piece(v, id, &size);
        if (m->type[id] != SGN_SPM_USER) continue;
        n->plain[(unsigned char)piece[0]] = false;
        n->has_user = true;
        SGN_TRY(sgn_trie_add(&n->user, piece, size, id, err));
    }
    return SGN_OK;
}

sgn_status sgn_spm_normalizer_open(sgn_spm_normalizer **out, const sgn_vocabulary *v, bool fold, const char *where, sgn_error *err) {
    *out = NULL;
    const sgn_spm *m = v->spm;
    sgn_spm_normalizer *n = calloc(1, sizeof *n);
    if (!n) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for a normalizer", where);
    n->squeeze = m->squeeze;
    n->prefix = m->dummy_prefix;
    n->repair = !m->byte_fallback;
    n->fold = fold;
    strcpy(n->mark, m->escape && !fold ? SGN_SPM_SPACE : " ");
    n->mark_size = strlen(n->mark);
    const sgn_status s = fill(n, v, where, err);
    if (s == SGN_OK) *out = n;
    else sgn_spm_normalizer_close(n);
    return s;
}

void sgn_spm_normalizer_close(sgn_spm_normalizer *n) {
    if (!n) return;
    sgn_trie_free(&n->user);
    free(n->unit);
    free(n);
}

void sgn_spm_text_free(sgn_spm_text *t) {
    free(t->data);
    *t = (sgn_spm_text){ 0 };
}

/* --- text --------------------------------------------------------------------------------------------- */

/* Bytes of the longest rule that begins the text, 0: none; its replacement in *to. */
static size_t replacement(const sgn_spm_normalizer *n, const char *text, size_t size, const char **to) {
    size_t longest = 0;
    uint32_t node = n->units ? offset(n->unit[0]) : 0;
    for (size_t i = 0; n->units && i < size; i++) {
        const uint32_t byte = (unsigned char)text[i], unit = n->unit[node ^ byte];
        if (label(unit) != byte) break;
        node ^= byte ^ offset(unit);
        if (!leaf(unit)) continue;
        longest = i + 1;
        *to = n->strings + (n->unit[node] & 0x7FFFFFFF);
    }
    return longest;
}

/* One step: so many bytes of text are taken and stand for to[0..n). */
static size_t step(const sgn_spm_normalizer *n, const char *text, size_t size, const char **to, size_t *count) {
    int32_t id;
    size_t used;
    *to = text;
    if (n->has_user && (used = sgn_trie_longest(&n->user, text, size, &id)) > 0) return *count = used;
    if ((used = replacement(n, text, size, to)) > 0) {
        *count = strlen(*to);
        return used;
    }
    used = (size_t)sgn_utf8_char(text, size, NULL);
    if (used == 0 && n->repair) *to = "\xEF\xBF\xBD";
    *count = used ? used : n->repair ? 3 : 1;
    return used ? used : 1;
}

static sgn_status reserve(sgn_spm_text *t, size_t more, sgn_error *err) {
    if (more <= t->room - t->size) return SGN_OK;
    const size_t room = t->room + t->room / 2 + more + 256;
    char *grown = room > more ? realloc(t->data, room) : NULL;
    if (!grown) SGN_FAIL(err, SGN_NOMEM, "no memory for %zu bytes of text", room);
    t->data = grown;
    t->room = room;
    return SGN_OK;
}

static void put(sgn_spm_text *t, const char *bytes, size_t n) {
    memcpy(t->data + t->size, bytes, n);
    t->size += n;
}

/* What a step gave, spaces as marks; the beginning space goes where one was before. */
static sgn_status put_step(const sgn_spm_normalizer *n, const char *text, size_t count, bool *spaced, sgn_spm_text *out, sgn_error *err) {
    SGN_TRY(reserve(out, 3 * count, err));
    for (; *spaced && count && *text == ' '; text++) count--;
    if (count == 0) return SGN_OK;
    for (size_t i = 0; i < count; i++) {
        if (text[i] == ' ') put(out, n->mark, n->mark_size);
        else if (n->fold && count - i >= 3 && memcmp(text + i, SGN_SPM_SPACE, 3) == 0) put(out, " ", 1), i += 2;
        else out->data[out->size++] = text[i];
    }
    *spaced = n->squeeze && text[count - 1] == ' ';
    return SGN_OK;
}

sgn_status sgn_spm_normalize(const sgn_spm_normalizer *n, const char *text, size_t size, bool continues, sgn_spm_text *out, sgn_error *err) {
    const char *to;
    size_t count, i = 0, used;
    bool spaced = n->squeeze && !continues;
    out->size = 0;
    while (spaced && i < size) {
        used = step(n, text + i, size - i, &to, &count);
        if (count != 1 || *to != ' ') break;
        i += used;
    }
    if (i == size) return SGN_OK;
    SGN_TRY(reserve(out, size - i + 3, err));
    if (n->prefix && !continues) put(out, n->mark, n->mark_size);
    while (i < size) {
        size_t end = i;
        while (end < size && n->plain[(unsigned char)text[end]]) end++;
        if (end > i) {
            SGN_TRY(reserve(out, end - i, err));
            put(out, text + i, end - i);
            spaced = false;
        }
        i = end;
        if (i == size) break;
        used = step(n, text + i, size - i, &to, &count);
        SGN_TRY(put_step(n, to, count, &spaced, out, err));
        i += used;
    }
    while (n->squeeze && out->size >= n->mark_size && memcmp(out->data + out->size - n->mark_size, n->mark, n->mark_size) == 0)
        out->size -= n->mark_size;
    return SGN_OK;
}
