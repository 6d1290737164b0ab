/* tiktoken's files: two neighbours that together are a piece become that piece, the one of lowest rank first. As
 * merges: each piece by all its cuts in two pieces, by rank.
 *
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/file.h"
#include "core/base64.h"
#include "data/form_write.h"
#include "data/vocabulary_files.h"

enum { FILE_LIMIT = 64 << 20 };

/* --- special tokens of the published files ------------------------------------------------------- */

typedef struct { int32_t id; const char *name; } mark;

typedef struct {
    int32_t     ranks, total;
    const char *split;
    const char *others;        /* names of the ids between begin so, then come their number from 0 and "|>" */
    mark        marks[8];
} published;

static const published files[] = {
    { 50256, 50257, "gpt2", "", { { 50256, SGN_EOT } } },
    { 100256, 100277, "cl100k", "<|unused_",
      { { 100257, SGN_EOT }, { 100258, "<|fim_prefix|>" }, { 100259, "<|fim_middle|>" }, { 100260, "<|fim_suffix|>" },
        { 100276, "<|endofprompt|>" } } },
    { 199998, 200019, "o200k", "<|unused_", { { 199999, SGN_EOT }, { 200018, "<|endofprompt|>" } } },
    { 128000, 128256, "llama3", "<|reserved_special_token_",
      { { 128000, "<|begin_of_text|>" }, { 128001, "<|end_of_text|>" }, { 128006, "<|start_header_id|>" },
        { 128007, "<|end_header_id|>" }, { 128009, "<|eot_id|>" } } },
    { 151643, 151851, "qwen2", "<|extra_",
      { { 151643, SGN_EOT }, { 151644, "<|im_start|>" }, { 151645, "<|im_end|>" } } },
};

static const char *mark_at(const published *p, int32_t id) {
    for (int i = 0; i < 8 && p->marks[i].name; i++)
        if (p->marks[i].id == id) return p->marks[i].name;
    return NULL;
}

static sgn_status add_marks(sgn_vocabulary *v, const published *p, const char *path, sgn_error *err) {
    if (!p) return sgn_vocabulary_add_token(v, SGN_EOT, strlen(SGN_EOT), true, path, err);
    for (int number = 0; v->count < p->total;) {
        char other[48];
        const char *name = mark_at(p, v->count);
        if (!name) snprintf(other, sizeof other, "%s%d|>", p->others, number++);
        SGN_TRY(sgn_vocabulary_add_token(v, name ? name : other, strlen(name ? name : other), true, path, err));
    }
    return SGN_OK;
}

/* --- lines ------------------------------------------------------------------------------------------ */

/* "BASE64 RANK" without the end of line. */
static bool read_line(const char *line, size_t n, char piece[SGN_PIECE_MAX], size_t *size, long long *rank) {
    const char *space = memchr(line, ' ', n);
    char number[16];
    const size_t digits = space ? (size_t)(line + n - space - 1) : 0;
    if (digits == 0 || digits >= sizeof number) return false;
    memcpy(number, space + 1, digits);
    number[digits] = '\0';
    if (strspn(number, "0123456789") != digits) return false;
    *rank = strtoll(number, NULL, 10);
    const size_t text = (size_t)(space - line);
    return text && text / 4 * 3 <= SGN_PIECE_MAX && sgn_base64_read(line, text, (uint8_t *)piece, size) && *size;
}

static sgn_status add_lines(sgn_vocabulary *v, const char *text, size_t size, const char *path, sgn_error *err) {
    long long rank;
    for (size_t at = 0, line = 1; at < size; line++) {
        const char *stop = memchr(text + at, '\n', size - at);
        const size_t n = stop ? (size_t)(stop - text) - at : size - at;
        const bool cr = n && text[at + n - 1] == '\r';
        char piece[SGN_PIECE_MAX];
        size_t bytes;
        if (n - cr > 0) {
            if (!read_line(text + at, n - cr, piece, &bytes, &rank))
                SGN_FAIL(err, SGN_FORMAT, "%s: line %zu is not a piece of 1 to %d bytes in base64, a space and its rank", path, line, SGN_PIECE_MAX);
            if (rank != v->count)
                SGN_FAIL(err, SGN_FORMAT, "%s: line %zu: rank %lld where %d is expected: ranks have gaps or come twice", path, line, rank, v->count);
            SGN_TRY(sgn_vocabulary_add(v, piece, bytes, false, path, err));
        }
        at += n + 1;
    }
    if (v->count == 0) SGN_FAIL(err, SGN_FORMAT, "%s: no ranks", path);
    return SGN_OK;
}

/* --- merges ------------------------------------------------------------------------------------------ */

typedef struct { int32_t left, right; } pair;

static int by_rank(const void *a, const void *b) {
    const pair *p = a, *q = b;
    return p->left != q->left ? (p->left < q->left ? -1 : 1) : (p->right > q->right) - (p->right < q->right);
}

static sgn_status add_merges(sgn_vocabulary *v, int32_t ranks, const char *path, sgn_error *err) {
    for (int32_t id = 0; id < ranks; id++) {
        size_t n, count = 0;
        const char *piece = sgn_vocabulary_piece(v, id, &n);
        pair cuts[SGN_PIECE_MAX];
        for (size_t i = 1; i < n; i++) {
            const pair c = { sgn_vocabulary_find(v, piece, i), sgn_vocabulary_find(v, piece + i, n - i) };
            if (c.left >= 0 && c.right >= 0 && c.left < ranks && c.right < ranks) cuts[count++] = c;
        }
        qsort(cuts, count, sizeof *cuts, by_rank);
        for (size_t i = 0; i < count; i++) SGN_TRY(sgn_vocabulary_merge(v, cuts[i].left, cuts[i].right, path, err));
    }
    return SGN_OK;
}

/* --- the file ------------------------------------------------------------------------------------------ */

bool sgn_vocabulary_is_ranks(const char *path) {
    char head[64], piece[SGN_PIECE_MAX];
    size_t n;
    long long rank;
    FILE *f = fopen(path, "rb");
    const size_t size = f ? fread(head, 1, sizeof head, f) : 0;
    if (f) fclose(f);
    const char *end = memchr(head, '\n', size);
    size_t line = end ? (size_t)(end - head) : size;
    if (line && head[line - 1] == '\r') line--;
    return line && read_line(head, line, piece, &n, &rank);
}

static sgn_status load(sgn_vocabulary *v, const char *text, size_t size, const char *path, sgn_error *err) {
    SGN_TRY(add_lines(v, text, size, path, err));
    const published *p = NULL;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (files[i].ranks == v->count) p = &files[i];
    v->model_count = v->count;
    SGN_TRY(add_marks(v, p, path, err));
    SGN_TRY(add_merges(v, v->model_count, path, err));
    return sgn_form_write(&v->form, v, sgn_known_split_named(p ? p->split : "cl100k"), true, p && strcmp(p->split, "qwen2") == 0, err);
}

sgn_status sgn_vocabulary_load_ranks(sgn_vocabulary *v, const char *path, sgn_error *err) {
    *v = (sgn_vocabulary){ 0 };
    char *text;
    size_t size;
    SGN_TRY(sgn_file_read(path, FILE_LIMIT, &text, &size, err));
    const sgn_status s = load(v, text, size, path, err);
    free(text);
    if (s != SGN_OK) sgn_vocabulary_free(v);
    return s;
}
