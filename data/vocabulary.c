/* SPDX-License-Identifier: MIT */
#include "data/vocabulary.h"

#include <stdlib.h>
#include <string.h>
#include "data/spm.h"

/* A piece as a message can show it. */
static const char *shown(const char *bytes, size_t n, char out[40]) {
    size_t k = 0;
    for (size_t i = 0; i < n && k < 36; i++) out[k++] = bytes[i] >= ' ' && bytes[i] < 0x7F ? bytes[i] : '?';
    out[k] = '\0';
    return out;
}

static uint32_t slot_of(const sgn_vocabulary *v, const char *bytes, size_t n) {
    uint32_t i = (uint32_t)sgn_digest64(bytes, n) & (v->slots - 1);
    for (; v->slot[i]; i = (i + 1) & (v->slots - 1)) {
        size_t m;
        const char *piece = sgn_vocabulary_piece(v, v->slot[i] - 1, &m);
        if (m == n && memcmp(piece, bytes, n) == 0) break;
    }
    return i;
}

int32_t sgn_vocabulary_find(const sgn_vocabulary *v, const char *bytes, size_t n) {
    return v->slots ? v->slot[slot_of(v, bytes, n)] - 1 : -1;
}

static sgn_status grow(void *array, size_t each, uint64_t *room, uint64_t need, sgn_error *err) {
    if (need <= *room) return SGN_OK;
    const uint64_t more = need + need / 2 + 256;
    void *old, *grown;
    memcpy(&old, array, sizeof old);
    if (more > SIZE_MAX / each || !(grown = realloc(old, (size_t)more * each)))
        SGN_FAIL(err, SGN_NOMEM, "no memory for a vocabulary");
    memcpy(array, &grown, sizeof grown);
    *room = more;
    return SGN_OK;
}

static sgn_status grow_pieces(sgn_vocabulary *v, size_t n, sgn_error *err) {
    uint64_t rooms = (uint64_t)v->room, flags = rooms, tokens = rooms, bytes = v->bytes_room;
    const uint64_t need = (uint64_t)v->count + 2;          /* start has one more */
    SGN_TRY(grow(&v->start, sizeof *v->start, &rooms, need, err));
    SGN_TRY(grow(&v->special, sizeof *v->special, &flags, need, err));
    SGN_TRY(grow(&v->token, sizeof *v->token, &tokens, need, err));
    SGN_TRY(grow(&v->bytes, 1, &bytes, (uint64_t)(v->count ? v->start[v->count] : 0) + n, err));
    v->room = (int32_t)rooms;
    v->bytes_room = bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX;
    return SGN_OK;
}

/* Slots are a power of two, at most half of them taken. */
static sgn_status grow_slots(sgn_vocabulary *v, sgn_error *err) {
    if (2 * ((uint64_t)v->count + 1) <= v->slots) return SGN_OK;
    const uint32_t slots = v->slots ? 2 * v->slots : 1024;
    int32_t *fresh = calloc(slots, sizeof *fresh);
    if (!fresh) SGN_FAIL(err, SGN_NOMEM, "no memory for a vocabulary");
    free(v->slot);
    v->slot = fresh;
    v->slots = slots;
    for (int32_t id = 0; id < v->count; id++) {
        size_t n;
        const char *piece = sgn_vocabulary_piece(v, id, &n);
        int32_t *slot = &v->slot[slot_of(v, piece, n)];
        if (!*slot) *slot = id + 1;                /* the first of twins */
    }
    return SGN_OK;
}

static sgn_status append(sgn_vocabulary *v, const char *bytes, size_t n, bool special, bool twin, const char *where,
                         sgn_error *err) {
    char text[40];
    if (n == 0 || n > SGN_PIECE_MAX)
        SGN_FAIL(err, SGN_FORMAT, "%s: piece %d (\"%s\") has %zu bytes; 1 to %d are allowed", where, v->count,
                 shown(bytes, n, text), n, SGN_PIECE_MAX);
    if (v->count == SGN_VOCAB_MAX || (v->count && v->start[v->count] > UINT32_MAX - n))
        SGN_FAIL(err, SGN_FORMAT, "%s: more than %d pieces, or 4 GiB of them", where, SGN_VOCAB_MAX);
    const int32_t known = sgn_vocabulary_find(v, bytes, n);
    if (known >= 0 && !twin)
        SGN_FAIL(err, SGN_FORMAT, "%s: piece %d (\"%s\") has the bytes of piece %d", where, v->count,
                 shown(bytes, n, text), known);
    SGN_TRY(grow_pieces(v, n, err));
    SGN_TRY(grow_slots(v, err));
    if (v->count == 0) v->start[0] = 0;
    memcpy(v->bytes + v->start[v->count], bytes, n);
    if (known < 0) v->slot[slot_of(v, bytes, n)] = v->count + 1;
    v->special[v->count] = special;
    v->token[v->count] = special || twin;
    v->start[v->count + 1] = v->start[v->count] + (uint32_t)n;
    v->count++;
    return SGN_OK;
}

sgn_status sgn_vocabulary_add(sgn_vocabulary *v, const char *bytes, size_t n, bool special, const char *where, sgn_error *err) {
    return append(v, bytes, n, special, false, where, err);
}

sgn_status sgn_vocabulary_add_token(sgn_vocabulary *v, const char *bytes, size_t n, bool special, const char *where, sgn_error *err) {
    return append(v, bytes, n, special, true, where, err);
}

sgn_status sgn_vocabulary_merge(sgn_vocabulary *v, int32_t left, int32_t right, const char *where, sgn_error *err) {
    char joined[2 * SGN_PIECE_MAX], text[40];
    size_t n, m;
    const char *a = sgn_vocabulary_piece(v, left, &n), *b = sgn_vocabulary_piece(v, right, &m);
    memcpy(joined, a, n);
    memcpy(joined + n, b, m);
    const int32_t whole = sgn_vocabulary_find(v, joined, n + m);
    if (whole < 0 || v->special[whole])
        SGN_FAIL(err, SGN_FORMAT, "%s: merge %d makes \"%s\", which is not in the vocabulary", where, v->merges,
                 shown(joined, n + m, text));
    uint64_t room = (uint64_t)v->merge_room;
    SGN_TRY(grow(&v->merge, sizeof *v->merge, &room, (uint64_t)v->merges + 1, err));
    v->merge_room = (int32_t)room;
    v->merge[v->merges++] = (sgn_merge){ left, right, whole };
    return SGN_OK;
}

sgn_status sgn_vocabulary_bytes(sgn_vocabulary *v, sgn_error *err) {
    for (int b = 0; b < 256; b++) {
        const char c = (char)b;
        SGN_TRY(sgn_vocabulary_add(v, &c, 1, false, "the bytes", err));
    }
    return SGN_OK;
}

/* Little-endian whatever the machine: a hash is compared between machines. */
static char *put32(char *to, uint32_t x) {
    for (int i = 0; i < 4; i++) *to++ = (char)(x >> 8 * i & 0xFF);
    return to;
}

static sgn_digest digest_of_spm(const sgn_vocabulary *v) {
    uint8_t *form;
    size_t size;
    if (sgn_spm_write(v, &form, &size, NULL) != SGN_OK) return (sgn_digest){ "" };
    const sgn_digest d = sgn_digest_bytes(form, size);
    free(form);
    return d;
}

/* A SentencePiece model: as sgn_spm_write has it. Else
 * canonical form: "sgn-vocabulary 1\n", count, each piece as (length, special,
 * bytes), merges, each merge as (left, right); numbers as u32. Then, where there are any,
 * scores as the bits of a double (u32 low, high) and a form that is not plain with its length. */
sgn_digest sgn_vocabulary_digest(const sgn_vocabulary *v) {
    if (v->spm) return digest_of_spm(v);
    static const char title[] = "sgn-vocabulary 1\n";
    const size_t text = v->count ? v->start[v->count] : 0;
    const size_t formed = v->form && !v->plain ? strlen(v->form) : 0;
    const size_t size = sizeof title - 1 + 8 + 8 * (size_t)v->count + text + 8 * (size_t)v->merges
                        + (v->score ? 8 * (size_t)v->count : 0) + (formed ? 4 + formed : 0);
    char *form = malloc(size), *to = form;
    if (!form) return (sgn_digest){ "" };
    memcpy(to, title, sizeof title - 1);
    to = put32(to + sizeof title - 1, (uint32_t)v->count);
    for (int32_t id = 0; id < v->count; id++) {
        size_t n;
        const char *piece = sgn_vocabulary_piece(v, id, &n);
        to = put32(put32(to, (uint32_t)n), v->special[id]);
        memcpy(to, piece, n);
        to += n;
    }
    to = put32(to, (uint32_t)v->merges);
    for (int32_t i = 0; i < v->merges; i++)
        to = put32(put32(to, (uint32_t)v->merge[i].left), (uint32_t)v->merge[i].right);
    for (int32_t id = 0; v->score && id < v->count; id++) {
        uint64_t bits;
        memcpy(&bits, &v->score[id], sizeof bits);
        to = put32(put32(to, (uint32_t)bits), (uint32_t)(bits >> 32));
    }
    if (formed) memcpy(put32(to, (uint32_t)formed), v->form, formed);
    const sgn_digest d = sgn_digest_bytes(form, size);
    free(form);
    return d;
}

void sgn_vocabulary_free(sgn_vocabulary *v) {
    free(v->bytes);
    free(v->start);
    free(v->special);
    free(v->token);
    free(v->merge);
    free(v->slot);
    free(v->score);
    free(v->form);
    sgn_spm_free(v->spm);
    *v = (sgn_vocabulary){ 0 };
}
