/* eval_tasks.h - `signum eval --tasks`: which tasks on which files, their scores on a model, and how those are shown.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_CLI_EVAL_TASKS_H
#define SGN_CLI_EVAL_TASKS_H

#include "core/json.h"
#include "eval/evaluate.h"
#include "export/format.h"

typedef struct {
    const char *tasks;                 /* "piqa,arc_easy=FILE" */
    const char *directory;             /* of files that are not named; NULL: none */
    const char *shots_data;            /* "piqa=FILE"; NULL: the training file beside the task's */
    const char *tokenizer, *items;     /* NULL: the model's own; none are written */
    int64_t     limit, shots, max_length, block;
    bool        bos, int8;
} sgn_eval_request;

typedef struct {
    const sgn_eval_task *task;
    sgn_item_set items, pool;
} sgn_eval_entry;

typedef struct {                       /* start zeroed */
    const sgn_eval_request *request;
    sgn_eval_entry *entry;
    int             count;
    sgn_writer     *items;             /* NULL: none are written */
} sgn_eval_list;

/* All files are read before any model is. */
sgn_status sgn_eval_list_open(sgn_eval_list *list, const sgn_eval_request *request, sgn_error *err);
/* Ends the file of items, which is dropped where `ok` is false. */
sgn_status sgn_eval_list_close(sgn_eval_list *list, bool ok, sgn_error *err);
/* out: (list->count) */
sgn_status sgn_eval_list_run(sgn_eval_list *list, const char *model, const sgn_model_file *f, sgn_eval_result *out, sgn_error *err);
sgn_json  *sgn_eval_list_json(const sgn_eval_list *list, const sgn_eval_result *results);
void       sgn_eval_list_print_tasks(void);        /* all there are, to stdout */

/* What a column of the table is headed by, and its scores. */
typedef struct {
    const char *model, *kind;
    uint64_t    bytes;
    double      bits_per_weight;       /* of the files, per weight of the model */
    double      binary_bits;           /* of binarized matrices; negative: there are none */
    const sgn_eval_result *results;
} sgn_eval_column;
void       sgn_eval_list_print(const sgn_eval_list *list, const sgn_eval_column *columns, int count);

#endif
