/* SPDX-License-Identifier: MIT */
#include "eval/records.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "data/stream.h"

#define LIMIT (UINT64_C(1) << 31)      /* bytes, decompressed */

static sgn_status read_all(sgn_records *r, sgn_stream *s, sgn_error *err) {
    for (size_t room = 1 << 16, got;; room *= 2) {
        if (r->size > LIMIT)
            SGN_FAIL(err, SGN_FORMAT, "%s: more than 2 GiB of text; split the file", r->file.s);
        char *grown = realloc(r->text, room + 1);
        if (!grown) SGN_FAIL(err, SGN_NOMEM, "no memory for the %zu bytes of %s", room, r->file.s);
        r->text = grown;
        SGN_TRY(sgn_stream_read(s, r->text + r->size, room - r->size, &got, err));
        r->size += got;
        r->text[r->size] = '\0';
        if (r->size < room) return SGN_OK;
    }
}

static bool blank(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

static size_t skip_blank(const sgn_records *r, size_t at) {
    while (at < r->size && blank(r->text[at])) at++;
    return at;
}

static void set_place(sgn_records *r, uint64_t number) {
    r->number = number;
    snprintf(r->place, sizeof r->place, r->array ? "%s: record %" PRIu64 : "%s:%" PRIu64, r->file.s, number);
}

static sgn_status begin(sgn_records *r, sgn_error *err) {
    if (r->size >= 3 && memcmp(r->text, "\xEF\xBB\xBF", 3) == 0) r->at = 3;        /* a byte order mark */
    const size_t first = skip_blank(r, r->at);
    r->json = first < r->size && (r->text[first] == '{' || r->text[first] == '[');
    if (!r->json) return SGN_OK;
    const char *line_end = memchr(r->text + first, '\n', r->size - first);
    const size_t end = line_end ? (size_t)(line_end - r->text) : r->size;
    const bool array = r->text[first] == '[';
    /* One object alone in the file may be the viewer's answer; so may one that is no whole line. */
    if (array || skip_blank(r, end) == r->size || sgn_json_parse(&r->value, r->text + first, end - first, "", NULL) != SGN_OK) {
        const sgn_status s = sgn_json_parse(&r->value, r->text + first, r->size - first, r->file.s, array ? err : NULL);
        if (s != SGN_OK) return array ? s : SGN_OK;
        r->array = array ? r->value : sgn_json_get(r->value, "rows");
    }
    if (r->array && sgn_json_typeof(r->array) != SGN_JSON_ARRAY) r->array = NULL;
    if (!r->array) {
        sgn_json_free(r->value);
        r->value = NULL;
    }
    return SGN_OK;
}

sgn_status sgn_records_open(sgn_records *r, const char *path, sgn_error *err) {
    sgn_stream *s;
    *r = (sgn_records){ 0 };
    SGN_TRY(sgn_path_set(&r->file, err, "%s", path));
    SGN_TRY(sgn_stream_open(&s, path, err));
    sgn_status status = read_all(r, s, err);
    sgn_stream_close(s);
    if (status == SGN_OK) status = begin(r, err);
    set_place(r, 0);
    if (status != SGN_OK) sgn_records_close(r);
    return status;
}

void sgn_records_close(sgn_records *r) {
    sgn_json_free(r->value);
    free(r->text);
    *r = (sgn_records){ 0 };
}

const char *sgn_records_line(sgn_records *r, size_t *size) {
    if (r->at >= r->size) return NULL;
    const char *line = r->text + r->at, *end = memchr(line, '\n', r->size - r->at);
    *size = end ? (size_t)(end - line) : r->size - r->at;
    r->at += *size + (end != NULL);
    set_place(r, r->number + 1);
    return line;
}

sgn_status sgn_records_next(sgn_records *r, const sgn_json **object, sgn_error *err) {
    *object = NULL;
    if (r->array) {
        const sgn_json *at = sgn_json_at(r->array, (size_t)r->number), *row = sgn_json_get(at, "row");
        if (!at) return SGN_OK;
        set_place(r, r->number + 1);
        *object = row ? row : at;
    } else {
        const char *line;
        size_t size;
        do {
            line = sgn_records_line(r, &size);
            if (!line) return SGN_OK;
            while (size && blank(*line)) line++, size--;
            while (size && blank(line[size - 1])) size--;
        } while (!size);
        sgn_json_free(r->value);
        r->value = NULL;
        SGN_TRY(sgn_json_parse(&r->value, line, size, r->place, err));
        *object = r->value;
    }
    if (sgn_json_typeof(*object) == SGN_JSON_OBJECT) return SGN_OK;
    SGN_FAIL(err, SGN_FORMAT, "%s: not an object; one JSON object per line, or an array of them, is expected", r->place);
}
