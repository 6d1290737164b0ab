/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>
#include "cli/eval_tasks.h"
#include "cli/output.h"

static sgn_json *to_json(const sgn_eval_list *list, int i, const sgn_eval_result *r) {
    const sgn_eval_task *task = list->entry[i].task;
    sgn_json *j = sgn_json_new_object();
    for (int k = 0; k < r->metrics; k++) {
        char name[48];
        snprintf(name, sizeof name, "%s_stderr", r->metric[k].name);
        sgn_json_set(j, r->metric[k].name, sgn_json_new_real(r->metric[k].value));
        sgn_json_set(j, name, r->metric[k].error < 0 ? sgn_json_new_null() : sgn_json_new_real(r->metric[k].error));
    }
    sgn_json_set(j, "n", sgn_json_new_int(r->n));
    sgn_json_set(j, "version", sgn_json_new_string(task->version));
    sgn_json_set(j, "file", sgn_json_new_text(list->entry[i].items.file.s, strlen(list->entry[i].items.file.s)));
    sgn_json_set(j, "shots", sgn_json_new_int(list->request->shots));
    sgn_json_set(j, "limit", sgn_json_new_int(list->request->limit));
    sgn_json_set(j, "max_length", sgn_json_new_int(r->max_length));
    sgn_json_set(j, "bos", r->bos < 0 ? sgn_json_new_null() : sgn_json_new_int(r->bos));
    sgn_json_set(j, "cut", sgn_json_new_int(r->cut));
    sgn_json_set(j, "cut_answers", sgn_json_new_int(r->cut_answers));
    sgn_json_set(j, "tokens", sgn_json_new_int(r->tokens));
    sgn_json_set(j, "seconds", sgn_json_new_real(r->seconds));
    return j;
}

sgn_json *sgn_eval_list_json(const sgn_eval_list *list, const sgn_eval_result *results) {
    sgn_json *j = sgn_json_new_object();
    for (int i = 0; i < list->count; i++) sgn_json_set(j, list->entry[i].task->name, to_json(list, i, &results[i]));
    return j;
}

void sgn_eval_list_print_tasks(void) {
    const sgn_eval_task *t;
    for (int i = 0; (t = sgn_eval_task_at(i)); i++)
        printf("%-17s %s (%s)\n%-17s data: %s\n", t->name, t->summary, t->version, "", t->fields);
}

enum { LABEL = 36, CELL = 20 };

static int width_of(const sgn_eval_column *c) { return strlen(c->model) > CELL ? (int)strlen(c->model) : CELL; }

static void print_cell(const sgn_eval_column *c, const char *text) { printf("  %*s", width_of(c), text); }

static void print_metric(const sgn_eval_list *list, const sgn_eval_column *columns, int count, int i, int k) {
    char label[96], text[64];
    const sgn_eval_result *first = &columns[0].results[i];
    snprintf(label, sizeof label, "%s %s", list->entry[i].task->name, first->metric[k].name);
    if (k == 0) snprintf(text, sizeof text, "%lld", (long long)first->n);
    printf("%-*s%8s", LABEL, label, k == 0 ? text : "");
    for (int c = 0; c < count; c++) {
        const sgn_metric *m = &columns[c].results[i].metric[k];
        if (m->error < 0) snprintf(text, sizeof text, "%.4f         ", m->value);
        else snprintf(text, sizeof text, "%.4f +- %.4f", m->value, m->error);
        print_cell(&columns[c], text);
    }
    putchar('\n');
}

typedef enum { MODEL, KIND, SIZE, FILE_BITS, BINARY_BITS, HEADS } head;
static const char *const labels[HEADS] = { "model", "kind", "file", "bits per weight: of the file", "  of binarized matrices" };

static const char *head_text(const sgn_eval_column *c, head h, sgn_size_text *text) {
    switch (h) {
    case MODEL: return c->model;
    case KIND: return c->kind;
    case SIZE: return sgn_size_print(c->bytes, text);
    case FILE_BITS: snprintf(text->s, sizeof text->s, "%.3f", c->bits_per_weight); return text->s;
    default: snprintf(text->s, sizeof text->s, c->binary_bits < 0 ? "-" : "%.3f", c->binary_bits); return text->s;
    }
}

void sgn_eval_list_print(const sgn_eval_list *list, const sgn_eval_column *columns, int count) {
    for (int h = 0; h < HEADS; h++) {
        printf("%-*s%8s", LABEL, labels[h], h == HEADS - 1 ? "n" : "");
        for (int c = 0; c < count; c++) {
            sgn_size_text text;
            print_cell(&columns[c], head_text(&columns[c], (head)h, &text));
        }
        putchar('\n');
    }
    for (int i = 0; i < list->count; i++)
        for (int k = 0; k < columns[0].results[i].metrics; k++) print_metric(list, columns, count, i, k);
}
