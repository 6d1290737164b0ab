/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>
#include "core/config.h"
#include "eval/eval_task.h"

#define SGN_EVAL_TASK(name) extern const sgn_eval_task sgn_eval_task_##name;
#include "eval/tasks.def"
#undef SGN_EVAL_TASK

static const sgn_eval_task *const tasks[] = {
#define SGN_EVAL_TASK(name) &sgn_eval_task_##name,
#include "eval/tasks.def"
#undef SGN_EVAL_TASK
};
enum { TASKS = (int)(sizeof tasks / sizeof *tasks) };

const sgn_eval_task *sgn_eval_task_at(int i) { return i >= 0 && i < TASKS ? tasks[i] : NULL; }

const sgn_eval_task *sgn_eval_task_find(const char *name) {
    for (int i = 0; i < TASKS; i++)
        if (strcmp(tasks[i]->name, name) == 0) return tasks[i];
    return NULL;
}

sgn_status sgn_eval_task_unknown(const char *name, sgn_error *err) {
    const char *names[TASKS];
    for (int i = 0; i < TASKS; i++) names[i] = tasks[i]->name;
    const char *near = sgn_nearest(name, names, TASKS);
    if (near) SGN_FAIL(err, SGN_CONFIG, "there is no task '%.80s'; did you mean '%s'?", name, near);
    SGN_FAIL(err, SGN_CONFIG, "there is no task '%.80s'; 'signum eval --tasks list' shows them", name);
}

static bool present(sgn_path *path, const char *stem) {
    static const char *const endings[] = { ".jsonl", ".json", ".txt", ".raw", ".tokens" }, *const packed[] = { "", ".gz", ".zst" };
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        for (size_t k = 0; k < 3; k++)
            if (sgn_path_set(path, NULL, "%s%s%s", stem, endings[i], packed[k]) == SGN_OK && sgn_file_exists(path->s)) return true;
    return false;
}

/* NAME and SPLIT in names that releases of these data use. */
static bool search(sgn_path *path, const char *directory, const char *name, const char *split) {
    for (const char *between = "/_-"; *between; between++) {
        sgn_path stem;
        if (sgn_path_set(&stem, NULL, "%s/%s%c%s", directory, name, *between, split) == SGN_OK && present(path, stem.s)) return true;
    }
    return false;
}

sgn_status sgn_eval_task_file(const sgn_eval_task *task, const char *where, bool own, const char *split, sgn_path *path, sgn_error *err) {
    static const char *const valid[] = { "validation", "valid", "val", "dev", NULL }, *const test[] = { "test", "items", "validation", "valid", "val", "dev", NULL };
    const char *const only[] = { split, NULL }, *const *splits = split ? only : task->test ? test : valid;
    if (!sgn_is_directory(where)) return sgn_path_set(path, err, "%s", where);
    sgn_path stem;
    char dashed[64];
    snprintf(dashed, sizeof dashed, "%s", task->name);
    for (char *c = dashed; *c; c++)
        if (*c == '_') *c = '-';
    if (!split && sgn_path_set(&stem, NULL, "%s/%s", where, task->name) == SGN_OK && present(path, stem.s)) return SGN_OK;
    for (; *splits; splits++) {
        if (search(path, where, task->name, *splits) || search(path, where, dashed, *splits)) return SGN_OK;
        if (own && sgn_path_set(&stem, NULL, "%s/%s", where, *splits) == SGN_OK && present(path, stem.s)) return SGN_OK;
    }
    SGN_FAIL(err, SGN_IO, "%s holds no %s.jsonl and no %s/%s.jsonl; name the file: --tasks %s=FILE", where, task->name, task->name,
             split ? split : task->test ? "test" : "validation", task->name);
}
