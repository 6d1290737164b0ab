/* SPDX-License-Identifier: MIT */
#include "data/jsonl.h"

#include <inttypes.h>
#include <string.h>
#include "core/file.h"
#include "data/utf8.h"

void sgn_bad_lines_add(sgn_bad_lines *b, const char *why) {
    if (b->count < SGN_BAD_KEPT) {
        char *to = b->why[b->count];
        *to = '\0';
        strncat(to, why, sizeof b->why[0] - 1);
        for (bool odd = sgn_utf8_invalid(to, strlen(to)) > 0; odd && *to; to++)        /* it shall stand in a report */
            if ((unsigned char)*to >= 0x80) *to = '?';
    }
    b->count++;
}

void sgn_bad_lines_join(sgn_bad_lines *b, const sgn_bad_lines *after) {
    const uint64_t all = b->count + after->count;
    for (uint64_t i = 0; i < after->count && i < SGN_BAD_KEPT && b->count < SGN_BAD_KEPT; i++) sgn_bad_lines_add(b, after->why[i]);
    b->count = all;
}

void sgn_jsonl_begin(sgn_jsonl *j, const char *text, size_t size, const char *file, uint64_t lines_before, const char *field) {
    j->at = text;
    j->end = text + size;
    j->file = file;
    j->line = lines_before;
    j->field = field ? field : "text";
}

void sgn_jsonl_free(sgn_jsonl *j) {
    sgn_json_free(j->json);
    sgn_ids_free(&j->ids);
    *j = (sgn_jsonl){ 0 };
}

static sgn_status take_ids(sgn_jsonl *j, const sgn_json *array, sgn_error *err) {
    const size_t n = sgn_json_size(array);
    j->ids.count = 0;
    SGN_TRY(sgn_ids_reserve(&j->ids, n, err));
    for (size_t i = 0; i < n; i++) {
        const int64_t id = sgn_json_int(sgn_json_at(array, i), -1);
        if (id < 0 || id > INT32_MAX)
            SGN_FAIL(err, SGN_FORMAT, "%s: line %" PRIu64 ": element %zu is not a token id", j->file, j->line, i);
        j->ids.id[j->ids.count++] = (int32_t)id;
    }
    return SGN_OK;
}

static sgn_status read_line(sgn_jsonl *j, const char *line, size_t size, sgn_text_part *out, sgn_error *err) {
    sgn_path where;
    SGN_TRY(sgn_path_set(&where, err, "%s: line %" PRIu64, j->file, j->line));
    sgn_json_free(j->json);
    j->json = NULL;
    SGN_TRY(sgn_json_parse(&j->json, line, size, where.s, err));
    const sgn_json *value = sgn_json_get(j->json, j->field);
    if (!value) value = sgn_json_get(j->json, "token_ids");
    *out = (sgn_text_part){ .first = true, .last = true, .file = j->file, .line = j->line };
    if (sgn_json_typeof(value) == SGN_JSON_STRING) {
        out->text = sgn_json_string(value, "");
        out->size = strlen(out->text);
        return SGN_OK;
    }
    if (sgn_json_typeof(value) != SGN_JSON_ARRAY)
        SGN_FAIL(err, SGN_FORMAT, "%s: no text in field \"%s\" (and no \"token_ids\"); name the field that holds it",
                 where.s, j->field);
    SGN_TRY(take_ids(j, value, err));
    out->ids = j->ids.id;
    out->count = j->ids.count;
    return SGN_OK;
}

sgn_status sgn_jsonl_next(sgn_jsonl *j, sgn_text_part *out, bool *more, sgn_error *err) {
    while (j->at < j->end) {
        const char *line = j->at, *newline = memchr(line, '\n', (size_t)(j->end - line));
        size_t size = (size_t)((newline ? newline : j->end) - line);
        j->at = newline ? newline + 1 : j->end;
        j->line++;
        while (size && (line[size - 1] == '\r' || line[size - 1] == ' ')) size--;
        if (size == 0) continue;
        sgn_error why = { 0 };
        const sgn_status s = read_line(j, line, size, out, &why);
        if (s == SGN_FORMAT && j->bad) {
            sgn_bad_lines_add(j->bad, why.text);
            continue;
        }
        if (s != SGN_OK) SGN_FAIL(err, s, "%s", why.text);
        *more = out->size || out->count;
        if (*more) return SGN_OK;
    }
    *out = (sgn_text_part){ 0 };
    *more = false;
    return SGN_OK;
}
