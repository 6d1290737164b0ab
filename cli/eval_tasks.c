/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "cli/eval_tasks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli/output.h"
#include "cli/terminal.h"
#include "core/clock.h"

/* Which file `name` has in "a=FILE,b=FILE"; NULL: none. */
static sgn_status named_file(const char *list, const char *name, sgn_path *path, bool *found, sgn_error *err) {
    const size_t n = strlen(name);
    *found = false;
    for (const char *at = list; at && *at; at = *at ? at + 1 : at) {
        const char *end = strchrnul(at, ',');
        if ((size_t)(end - at) > n && strncmp(at, name, n) == 0 && at[n] == '=') {
            *found = true;
            return sgn_path_set(path, err, "%.*s", (int)(end - at - (ptrdiff_t)n - 1), at + n + 1);
        }
        at = end;
        if (!*at) break;
    }
    return SGN_OK;
}

static sgn_status load_task(sgn_eval_entry *e, const sgn_eval_request *q, const char *given, sgn_error *err) {
    sgn_path path;
    if (given) SGN_TRY(sgn_eval_task_file(e->task, given, true, NULL, &path, err));
    else if (q->directory) SGN_TRY(sgn_eval_task_file(e->task, q->directory, false, NULL, &path, err));
    else
        SGN_FAIL(err, SGN_CONFIG, "task %s has no data; name its file, --tasks %s=FILE, or a directory, --task-data DIR", e->task->name, e->task->name);
    return sgn_item_set_load(&e->items, e->task, path.s, q->limit, err);
}

/* The examples: a named file, else "train" beside the questions. */
static sgn_status load_pool(sgn_eval_entry *e, const sgn_eval_request *q, sgn_error *err) {
    sgn_path path, beside;
    bool named;
    SGN_TRY(named_file(q->shots_data, e->task->name, &path, &named, err));
    if (!named) {
        SGN_TRY(sgn_path_set(&beside, err, "%s", e->items.file.s));
        char *slash = strrchr(beside.s, '/');
        if (slash) *slash = '\0';
        if (sgn_eval_task_file(e->task, slash ? beside.s : ".", true, "train", &path, NULL) != SGN_OK)
            SGN_FAIL(err, SGN_CONFIG, "--shots wants examples for %s, and there is no train.jsonl beside %s; name them: --shots-data %s=FILE",
                     e->task->name, e->items.file.s, e->task->name);
    }
    return sgn_item_set_load(&e->pool, e->task, path.s, 0, err);
}

static sgn_status add_task(sgn_eval_list *list, char *word, sgn_error *err) {
    sgn_eval_entry *grown = realloc(list->entry, (size_t)(list->count + 1) * sizeof *grown), *e;
    if (!grown) SGN_FAIL(err, SGN_NOMEM, "no memory for %d tasks", list->count + 1);
    list->entry = grown;
    e = &grown[list->count];
    *e = (sgn_eval_entry){ 0 };
    char *file = strchr(word, '=');
    if (file) *file++ = '\0';
    e->task = sgn_eval_task_find(word);
    if (!e->task) return sgn_eval_task_unknown(word, err);
    for (int i = 0; i < list->count; i++)
        if (list->entry[i].task == e->task) SGN_FAIL(err, SGN_CONFIG, "task %s is named twice", word);
    list->count++;
    SGN_TRY(load_task(e, list->request, file, err));
    return list->request->shots ? load_pool(e, list->request, err) : SGN_OK;
}

sgn_status sgn_eval_list_open(sgn_eval_list *list, const sgn_eval_request *q, sgn_error *err) {
    *list = (sgn_eval_list){ .request = q };
    if (q->limit < 0 || q->shots < 0 || q->shots > 1000 || q->max_length < 0 || q->block < 0)
        SGN_FAIL(err, SGN_CONFIG, "--limit, --shots (at most 1000), --max-length and --block want numbers that are not negative");
    char *words = strdup(q->tasks), *rest = NULL;
    sgn_status s = words ? SGN_OK : SGN_ERROR(err, SGN_NOMEM, "no memory for a list of tasks");
    for (char *word = words ? strtok_r(words, ",", &rest) : NULL; word && s == SGN_OK; word = strtok_r(NULL, ",", &rest))
        s = add_task(list, word, err);
    free(words);
    if (s == SGN_OK && list->count == 0) s = SGN_ERROR(err, SGN_CONFIG, "--tasks names no task; 'signum eval --tasks list' lists them");
    if (s == SGN_OK && q->items) s = sgn_writer_open(&list->items, q->items, err);
    return s;
}

sgn_status sgn_eval_list_close(sgn_eval_list *list, bool ok, sgn_error *err) {
    sgn_status s = SGN_OK;
    if (list->items && ok) s = sgn_writer_close(list->items, err);
    else if (list->items) sgn_writer_abandon(list->items);
    for (int i = 0; i < list->count; i++) {
        sgn_item_set_free(&list->entry[i].items);
        sgn_item_set_free(&list->entry[i].pool);
    }
    free(list->entry);
    *list = (sgn_eval_list){ 0 };
    return s;
}

/* --- scores --------------------------------------------------------------------------------------- */

typedef struct {
    sgn_eval_list       *list;
    const sgn_eval_task *task;
    const char          *model;
    double               begin;
} watcher;

static bool progress(void *ctx, int64_t done, int64_t all) {
    const watcher *w = ctx;
    const long left = (long)((sgn_clock_wall() - w->begin) * (double)(all - done) / (double)done);
    sgn_terminal_status("%s: %s %lld/%lld, %ld:%02ld left", w->model, w->task->name, (long long)done, (long long)all, left / 60, left % 60);
    return !sgn_interrupted();
}

static sgn_json *numbers(const double *value, int count) {
    sgn_json *list = sgn_json_new_array();
    for (int i = 0; i < count; i++) sgn_json_append(list, sgn_json_new_real(value[i]));
    return list;
}

static void describe(sgn_json *j, const sgn_eval_task *task, const sgn_item_score *s) {
    switch (task->kind) {
    case SGN_EVAL_CHOICE:
        sgn_json_set(j, "ll", numbers(s->ll, s->item->count));
        sgn_json_set(j, "pred", sgn_json_new_int(s->pred));
        if (task->by_length) sgn_json_set(j, "pred_norm", sgn_json_new_int(s->pred_norm));
        sgn_json_set(j, "gold", sgn_json_new_int(s->item->gold));
        break;
    case SGN_EVAL_LAST_WORD:
        sgn_json_set(j, "ll", sgn_json_new_real(s->ll[0]));
        sgn_json_set(j, "greedy", sgn_json_new_bool(s->greedy));
        break;
    case SGN_EVAL_PAGES:
        sgn_json_set(j, "ll", sgn_json_new_real(s->ll[0]));
        sgn_json_set(j, "words", sgn_json_new_int(s->words));
        sgn_json_set(j, "bytes", sgn_json_new_int(s->bytes));
        break;
    case SGN_EVAL_BLOCKS:
        sgn_json_set(j, "ll", sgn_json_new_real(s->ll[0]));
        break;
    }
    sgn_json_set(j, "tokens", sgn_json_new_int(s->tokens));
}

static sgn_status write_item(void *ctx, const sgn_item_score *s, sgn_error *err) {
    const watcher *w = ctx;
    char *text = NULL;
    sgn_json *j = sgn_json_new_object();
    sgn_json_set(j, "model", sgn_json_new_text(w->model, strlen(w->model)));
    sgn_json_set(j, "task", sgn_json_new_string(w->task->name));
    sgn_json_set(j, "index", sgn_json_new_int(s->index));
    if (s->item->id) sgn_json_set(j, "id", sgn_json_new_string(s->item->id));
    describe(j, w->task, s);
    const sgn_status status = sgn_json_dump(j, 0, &text, err);
    sgn_json_free(j);
    if (status == SGN_OK) {
        sgn_writer_put(w->list->items, text, strlen(text));
        sgn_writer_put(w->list->items, "\n", 1);
    }
    free(text);
    return status;
}

static sgn_status run_all(sgn_eval_list *list, watcher *w, const sgn_lowered_model *m, const sgn_tokenizer *t, sgn_eval_result *out,
                          sgn_error *err) {
    const sgn_eval_request *q = list->request;
    for (int i = 0; i < list->count; i++) {
        const sgn_eval_options o = { .max_length = q->max_length, .block = q->block, .limit = q->limit, .shots = (int)q->shots,
                                     .pool = &list->entry[i].pool, .bos = q->bos, .int8 = q->int8, .progress = progress,
                                     .each = list->items ? write_item : NULL, .ctx = w };
        w->task = list->entry[i].task;
        w->begin = sgn_clock_wall();
        SGN_TRY(sgn_evaluate(w->task, &list->entry[i].items, m, t, &o, &out[i], err));
        if (out[i].cut)
            sgn_warn("%s: %lld requests of %s were longer than %lld tokens and lost the beginning of their context", w->model, (long long)out[i].cut,
                     w->task->name, (long long)out[i].max_length);
        if (out[i].cut_answers)
            sgn_warn("%s: %lld answers of %s alone were longer than that, and only their last %lld tokens were scored", w->model,
                     (long long)out[i].cut_answers, w->task->name, (long long)out[i].max_length);
    }
    return SGN_OK;
}

sgn_status sgn_eval_list_run(sgn_eval_list *list, const char *model, const sgn_model_file *f, sgn_eval_result *out, sgn_error *err) {
    watcher w = { .list = list, .model = model };
    sgn_tokenizer *t;
    SGN_TRY(sgn_model_tokenizer(f, list->request->tokenizer, &t, err));
    const sgn_status s = run_all(list, &w, sgn_model_file_lowered(f), t, out, err);
    sgn_terminal_end(false);
    sgn_tokenizer_close(t);
    return s;
}
