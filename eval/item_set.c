/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "eval/item_reader.h"

sgn_item *sgn_item_set_add(sgn_item_set *set, sgn_error *err) {
    if (set->count == set->room) {
        const size_t room = 2 * set->room + 64;
        sgn_item *grown = realloc(set->item, room * sizeof *grown);
        if (!grown) {
            SGN_ERROR(err, SGN_NOMEM, "no memory for the %zu records of %s", room, set->file.s);
            return NULL;
        }
        set->item = grown;
        set->room = room;
    }
    set->item[set->count] = (sgn_item){ 0 };
    return &set->item[set->count++];
}

void sgn_item_set_free(sgn_item_set *set) {
    for (size_t i = 0; i < set->count; i++) {
        sgn_item *it = &set->item[i];
        for (int k = 0; k < SGN_CHOICES; k++) {
            free(it->option[k]);
            free(it->text[k]);
        }
        free(it->context);
        free(it->id);
    }
    free(set->item);
    *set = (sgn_item_set){ 0 };
}

static bool equal(const char *a, const char *b) { return a == b || (a && b && strcmp(a, b) == 0); }

bool sgn_item_same(const sgn_item *a, const sgn_item *b) {
    bool same = a->count == b->count && a->gold == b->gold && equal(a->context, b->context) && equal(a->id, b->id);
    for (int k = 0; same && k < a->count; k++) same = equal(a->option[k], b->option[k]) && equal(a->text[k], b->text[k]);
    return same;
}

static void take_id(sgn_item *it, const sgn_json *object) {
    static const char *const keys[] = { "id", "qID", "ind", "idx" };
    for (size_t i = 0; i < sizeof keys / sizeof *keys && !it->id; i++) {
        const sgn_json *j = sgn_json_get(object, keys[i]);
        char number[24];
        snprintf(number, sizeof number, "%" PRId64, sgn_json_int(j, 0));
        if (j) it->id = strdup(sgn_json_string(j, sgn_json_typeof(j) == SGN_JSON_INT ? number : ""));
    }
}

/* X-labels.lst beside X.jsonl: one answer per line. *there is false where it is not. */
static sgn_status open_labels(sgn_records *labels, const char *data, bool *there, sgn_error *err) {
    static const char *const endings[] = { ".gz", ".zst", ".jsonl", ".json" };
    sgn_path stem, path;
    SGN_TRY(sgn_path_set(&stem, err, "%s", data));
    for (size_t i = 0; i < 4; i++) {
        const size_t n = strlen(stem.s), m = strlen(endings[i]);
        if (n > m && strcmp(stem.s + n - m, endings[i]) == 0) stem.s[n - m] = '\0';
    }
    SGN_TRY(sgn_path_set(&path, err, "%s-labels.lst", stem.s));
    *there = sgn_file_exists(path.s);
    return *there ? sgn_records_open(labels, path.s, err) : SGN_OK;
}

static sgn_status read_item(sgn_item_reader *r, sgn_item_set *set, uint64_t number, sgn_error *err) {
    r->item = sgn_item_set_add(set, err);
    if (!r->item) return SGN_NOMEM;
    memset(r->label, 0, sizeof r->label);
    r->item->number = number;
    take_id(r->item, r->object);
    r->task->read(r);
    if (!sgn_item_failed(r) && r->task->kind == SGN_EVAL_CHOICE && r->item->count < 2) sgn_item_wrong(r, "fewer than two answers");
    return r->status;
}

static sgn_status read_records(sgn_item_set *set, const sgn_eval_task *task, sgn_records *data, sgn_records *labels, int64_t limit,
                               sgn_error *err) {
    sgn_item_reader r = { .task = task, .place = data->place, .err = err };
    sgn_status s = SGN_OK;
    while (s == SGN_OK && (limit == 0 || (int64_t)set->count < limit)) {
        size_t size = 0;
        const char *line = data->json ? NULL : sgn_records_line(data, &size);
        if (data->json) s = sgn_records_next(data, &r.object, err);
        if (s != SGN_OK || !(data->json ? (const void *)r.object : line)) break;
        if (data->json && labels && !(line = sgn_records_line(labels, &size)))
            SGN_FAIL(err, SGN_FORMAT, "%s ends before the answer of record %" PRIu64 " of %s; they belong to different files", labels->place,
                     data->number, data->file.s);
        while (line && size && line[size - 1] == '\r') size--;
        if (!data->json && size == 0) continue;
        r.line = line ? strndup(line, size) : NULL;
        if (line && !r.line) SGN_FAIL(err, SGN_NOMEM, "no memory for a line of %s", data->file.s);
        s = read_item(&r, set, data->number, err);
        free(r.line);
    }
    return s;
}

static sgn_status load(sgn_item_set *set, const sgn_eval_task *task, sgn_records *data, int64_t limit, sgn_error *err) {
    if (task->load) return task->load(data, set, err);
    if (!data->json && task->kind != SGN_EVAL_LAST_WORD)
        SGN_FAIL(err, SGN_FORMAT, "%s: no JSON; %s expects one object per line, or an array of them, with %s", data->file.s, task->name,
                 task->fields);
    sgn_records labels = { 0 };
    bool beside = false;
    if (task->kind == SGN_EVAL_CHOICE) SGN_TRY(open_labels(&labels, data->file.s, &beside, err));
    const sgn_status s = read_records(set, task, data, beside ? &labels : NULL, limit, err);
    sgn_records_close(&labels);
    return s;
}

sgn_status sgn_item_set_load(sgn_item_set *set, const sgn_eval_task *task, const char *path, int64_t limit, sgn_error *err) {
    sgn_records data;
    *set = (sgn_item_set){ 0 };
    SGN_TRY(sgn_records_open(&data, path, err));
    set->file = data.file;
    sgn_status s = load(set, task, &data, limit, err);
    if (s == SGN_OK && set->count == 0) s = SGN_ERROR(err, SGN_FORMAT, "%s: no records; %s expects %s", path, task->name, task->fields);
    sgn_records_close(&data);
    if (s != SGN_OK) sgn_item_set_free(set);
    return s;
}
