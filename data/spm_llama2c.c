/* llama2.c's tokenizer.bin: u32 longest piece, then for each id f32 score, i32 length, bytes. A space stands for
 * U+2581, the ids are SentencePiece's for LLaMA: 0 unknown, 1 begin, 2 end, from 3 on the 256 bytes.
 *
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/file.h"
#include "data/spm.h"
#include "data/utf8.h"

enum { HEAD = 4, EACH = 8, FILE_LIMIT = 1 << 28, FIRST_BYTE = 3 };

static uint32_t get32(const char *p) {
    const unsigned char *b = (const unsigned char *)p;
    return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static sgn_status count_pieces(const char *data, size_t size, const char *path, int32_t *count, sgn_error *err) {
    *count = 0;
    if (size < HEAD) SGN_FAIL(err, SGN_FORMAT, "%s: %zu bytes are no tokenizer.bin", path, size);
    const uint32_t longest = get32(data);
    for (size_t at = HEAD; at < size; (*count)++) {
        const uint32_t n = size - at >= EACH ? get32(data + at + 4) : 0;
        if (size - at < EACH || n > size - at - EACH || n > longest || n == 0 || *count == SGN_VOCAB_MAX)
            SGN_FAIL(err, SGN_FORMAT, "%s: byte %zu: piece %d claims %u bytes; the longest has %u, %zu bytes are left", path, at, *count,
                     n, longest, size - at);
        at += EACH + n;
    }
    return SGN_OK;
}

static sgn_status add(sgn_vocabulary *v, const char *text, size_t n, const char *path, size_t at, sgn_error *err) {
    const int32_t id = v->count;
    char piece[3 * SGN_PIECE_MAX], where[SGN_PATH_MAX + 64];
    size_t k = 0;
    v->spm->type[id] = id == 0 ? SGN_SPM_UNKNOWN : id < FIRST_BYTE ? SGN_SPM_CONTROL : id < FIRST_BYTE + 256 ? SGN_SPM_BYTE : SGN_SPM_NORMAL;
    for (; n && v->spm->type[id] == SGN_SPM_CONTROL && *text == '\n'; text++) n--;         /* written as "\n<s>\n" */
    for (; n && v->spm->type[id] == SGN_SPM_CONTROL && text[n - 1] == '\n'; ) n--;
    if (n > SGN_PIECE_MAX) SGN_FAIL(err, SGN_FORMAT, "%s: byte %zu: piece %d has %zu bytes; at most %d are allowed", path, at, id, n, SGN_PIECE_MAX);
    for (size_t i = 0; i < n; i++) {
        if (text[i] != ' ') piece[k++] = text[i];
        else memcpy(piece + k, SGN_SPM_SPACE, 3), k += 3;
    }
    snprintf(where, sizeof where, "%s: byte %zu", path, at);
    if (sgn_utf8_prefix(piece, k) != k) SGN_FAIL(err, SGN_FORMAT, "%s: piece %d is not UTF-8", where, id);
    return sgn_vocabulary_add(v, piece, k, v->spm->type[id] == SGN_SPM_CONTROL, where, err);
}

static sgn_status build(sgn_vocabulary *v, const char *data, size_t size, const char *path, sgn_error *err) {
    int32_t count;
    SGN_TRY(count_pieces(data, size, path, &count, err));
    SGN_TRY(sgn_spm_make(v, count, err));
    sgn_spm *m = v->spm;
    m->byte_fallback = true;
    m->squeeze = false;
    m->bos = 1;
    m->eos = 2;
    for (size_t at = HEAD; at < size;) {
        const uint32_t bits = get32(data + at), n = get32(data + at + 4);
        memcpy(&m->score[v->count], &bits, sizeof bits);
        SGN_TRY(add(v, data + at + EACH, n, path, at, err));
        at += EACH + n;
    }
    return sgn_spm_check(v, path, err);
}

sgn_status sgn_spm_load_llama2c(sgn_vocabulary *v, const char *path, sgn_error *err) {
    char *data;
    size_t size;
    SGN_TRY(sgn_file_read(path, FILE_LIMIT, &data, &size, err));
    const sgn_status s = build(v, data, size, path, err);
    free(data);
    return s;
}
