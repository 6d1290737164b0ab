/* SPDX-License-Identifier: MIT */
#include "data/spm_bpe_tables.h"

#include <stdlib.h>
#include <string.h>
#include "data/utf8.h"

/* --- symbols ------------------------------------------------------------------------------------------ */

/* In normalized text a piece's U+2581 is a space where folded; a space itself never gets there then. */
static size_t fold_piece(bool fold, const char *piece, size_t n, char out[SGN_PIECE_MAX]) {
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        if (!fold || n - i < 3 || memcmp(piece + i, SGN_SPM_SPACE, 3) != 0) out[k++] = piece[i];
        else out[k++] = ' ', i += 2;
    }
    return k;
}

static bool joins(const sgn_spm_bpe *b, int32_t id) {
    const sgn_spm *m = b->v->spm;
    size_t n;
    const char *piece = sgn_vocabulary_piece(b->v, id, &n);
    return (m->type[id] == SGN_SPM_NORMAL || m->type[id] == SGN_SPM_USER || m->type[id] == SGN_SPM_UNUSED)
           && !(b->fallback.fold && memchr(piece, ' ', n));
}

static size_t char_of(const char *text, size_t size) {
    const int n = sgn_utf8_char(text, size, NULL);
    return (size_t)(n ? n : 1);
}

/* The symbol of a character, which becomes one if it is no piece. */
static sgn_status add_char(sgn_spm_bpe *b, const char *text, size_t n, int32_t *symbol, sgn_error *err) {
    char folded[SGN_PIECE_MAX];
    const size_t k = fold_piece(b->fallback.fold, text, n, folded);
    if (sgn_trie_longest(&b->chars, folded, k, symbol) == k) return SGN_OK;
    *symbol = sgn_vocabulary_find(b->v, text, n);
    if (*symbol < 0) {
        if (b->symbols == b->room) {
            const int32_t room = b->room + b->room / 2 + 256;
            uint16_t *grown = realloc(b->length, (size_t)room * sizeof *grown);
            if (!grown) SGN_FAIL(err, SGN_NOMEM, "no memory for the characters of a vocabulary");
            b->length = grown;
            b->room = room;
        }
        *symbol = b->symbols++;
        b->length[*symbol] = (uint16_t)k;
    }
    if (k == 1 && (unsigned char)folded[0] < 128) b->ascii[(unsigned char)folded[0]] = *symbol;
    return sgn_trie_add(&b->chars, folded, k, *symbol, err);
}

/* A part of a piece: a character, or a piece that can be joined; -1: neither. */
static sgn_status part_symbol(sgn_spm_bpe *b, const char *text, size_t n, int32_t *symbol, sgn_error *err) {
    if (char_of(text, n) == n) return add_char(b, text, n, symbol, err);
    const int32_t id = sgn_vocabulary_find(b->v, text, n);
    *symbol = id >= 0 && joins(b, id) ? id : -1;
    return SGN_OK;
}

/* --- pairs -------------------------------------------------------------------------------------------- */

static void put_pair(sgn_spm_pair *pair, uint32_t slots, sgn_spm_pair p) {
    const uint64_t key = (uint64_t)(uint32_t)p.left << 32 | (uint32_t)p.right;
    uint32_t i = (uint32_t)(key * 0x9E3779B97F4A7C15u >> 32) & (slots - 1);
    while (pair[i].whole >= 0) i = (i + 1) & (slots - 1);
    pair[i] = p;
}

static sgn_status grow_pairs(sgn_spm_bpe *b, sgn_error *err) {
    if (2 * (b->pairs + 1) <= b->slots) return SGN_OK;
    const uint32_t slots = b->slots ? 2 * b->slots : 4096;
    sgn_spm_pair *fresh = slots > b->slots ? malloc(slots * sizeof *fresh) : NULL;
    if (!fresh) SGN_FAIL(err, SGN_NOMEM, "no memory for the pairs of a vocabulary");
    for (uint32_t i = 0; i < slots; i++) fresh[i].whole = -1;
    for (uint32_t i = 0; i < b->slots; i++)
        if (b->pair[i].whole >= 0) put_pair(fresh, slots, b->pair[i]);
    free(b->pair);
    b->pair = fresh;
    b->slots = slots;
    return SGN_OK;
}

/* Orders floats from high to low; -0 is 0. */
static uint32_t rank_of(float score) {
    uint32_t bits;
    score += 0.0f;
    memcpy(&bits, &score, sizeof bits);
    return bits >> 31 ? bits : ~bits & 0x7FFFFFFF;
}

static sgn_status add_pairs(sgn_spm_bpe *b, int32_t id, sgn_error *err) {
    size_t n;
    const char *piece = sgn_vocabulary_piece(b->v, id, &n);
    const uint32_t rank = rank_of(b->v->spm->score[id]);
    for (size_t cut = char_of(piece, n); cut < n; cut += char_of(piece + cut, n - cut)) {
        int32_t left, right;
        SGN_TRY(part_symbol(b, piece, cut, &left, err));
        SGN_TRY(part_symbol(b, piece + cut, n - cut, &right, err));
        if (left < 0 || right < 0) continue;
        SGN_TRY(grow_pairs(b, err));
        put_pair(b->pair, b->slots, (sgn_spm_pair){ left, right, id, rank });
        b->pairs++;
        b->has_unused |= b->v->spm->type[id] == SGN_SPM_UNUSED;
    }
    return SGN_OK;
}

static void join_bytes(sgn_spm_bpe *b, const char *text, size_t n) {
    for (size_t i = 1; i < n; i++) {
        const unsigned char first = (unsigned char)text[i - 1], second = (unsigned char)text[i];
        b->joined[first][second >> 5] |= 1u << (second & 31);
    }
}

static sgn_status fill(sgn_spm_bpe *b, sgn_error *err) {
    const sgn_vocabulary *v = b->v;
    char folded[SGN_PIECE_MAX];
    SGN_TRY(grow_pairs(b, err));
    for (int32_t id = 0; id < v->count; id++) {
        size_t n;
        const char *piece = sgn_vocabulary_piece(v, id, &n);
        const size_t k = fold_piece(b->fallback.fold, piece, n, folded);
        int32_t symbol;
        b->length[id] = (uint16_t)k;
        if (char_of(piece, n) == n && !(b->fallback.fold && *piece == ' ')) SGN_TRY(add_char(b, piece, n, &symbol, err));
        if (!joins(b, id)) continue;
        if (v->spm->type[id] == SGN_SPM_USER) {
            b->has_user = true;
            SGN_TRY(sgn_trie_add(&b->user, folded, k, id, err));
        }
        SGN_TRY(add_pairs(b, id, err));
        join_bytes(b, folded, k);
    }
    for (int first = 0; first < 256; first++)              /* never cut before the second byte of a character */
        for (int second = 0x80; second < 0xC0; second++) b->joined[first][second >> 5] |= 1u << (second & 31);
    return SGN_OK;
}

sgn_status sgn_spm_bpe_open(sgn_spm_bpe **out, const sgn_vocabulary *v, bool fold, sgn_error *err) {
    *out = NULL;
    sgn_spm_bpe *b = calloc(1, sizeof *b);
    if (b) {
        b->v = v;
        b->symbols = b->room = v->count;
        b->length = malloc((size_t)v->count * sizeof *b->length);
        for (int c = 0; c < 128; c++) b->ascii[c] = -1;
        sgn_spm_fallback_set(&b->fallback, v, fold);
    }
    const sgn_status s = b && b->length ? fill(b, err) : SGN_ERROR(err, SGN_NOMEM, "no memory for the tables of %d pieces", v->count);
    if (s == SGN_OK) *out = b;
    else sgn_spm_bpe_close(b);
    return s;
}

void sgn_spm_bpe_close(sgn_spm_bpe *b) {
    if (!b) return;
    sgn_trie_free(&b->chars);
    sgn_trie_free(&b->user);
    free(b->pair);
    free(b->length);
    free(b);
}

/* --- what no piece covers ------------------------------------------------------------------------------- */

void sgn_spm_fallback_set(sgn_spm_fallback *f, const sgn_vocabulary *v, bool fold) {
    const sgn_spm *m = v->spm;
    *f = (sgn_spm_fallback){ .unk = m->unk, .bytes = m->byte_fallback, .fold = fold };
    for (int32_t id = 0; id < v->count && f->bytes; id++) {
        size_t n;
        const char *piece = sgn_vocabulary_piece(v, id, &n);
        if (m->type[id] == SGN_SPM_BYTE) f->byte_id[sgn_spm_byte(piece, n)] = id;
    }
}

void sgn_spm_put_unknown(const sgn_spm_fallback *f, const char *text, size_t n, size_t base, sgn_ids *out) {
    if (f->fold && n == 1 && *text == ' ') text = SGN_SPM_SPACE, n = 3;
    if (f->bytes)
        for (size_t i = 0; i < n; i++) out->id[out->count++] = f->byte_id[(unsigned char)text[i]];
    else if (out->count == base || out->id[out->count - 1] != f->unk)
        out->id[out->count++] = f->unk;
}
