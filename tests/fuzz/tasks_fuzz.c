/* Data of evaluation tasks: JSON lines, arrays, the dataset viewer's answers, plain text. The first byte chooses the task; what is read
 * is whole, the same every time, and draws as examples.
 *
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include "data/utf8.h"
#include "eval/shots.h"
#include "tests/fuzz/fuzz.h"

static const struct { const char *task, *data; } seeds[] = {
    { "boolq", "{\"question\": \"a\", \"passage\": \"b\", \"answer\": true}\n{\"question\": \"c\", \"passage\": \"d\", \"label\": 0}\n" },
    { "piqa", "{\"rows\": [{\"row\": {\"goal\": \"g\", \"sol1\": \"a\", \"sol2\": \"b\", \"label\": 1}}]}" },
    { "hellaswag", "{\"activity_label\": \"A [x]\", \"ctx_a\": \"b [title] c\", \"ctx_b\": \"\\u00e9D\", \"endings\": [\"e\", \"[f] g\"], \"label\": \"1\"}" },
    { "winogrande", "{\"sentence\": \"a _ b\", \"option1\": \"c\", \"option2\": \"d\", \"answer\": \"2\"}" },
    { "arc_easy", "[{\"question\": {\"stem\": \"q\", \"choices\": [{\"text\": \"a\", \"label\": \"1\"}, {\"text\": \"b\", \"label\": \"2\"}]}, \"answerKey\": \"2\"}]" },
    { "arc_easy", "{\"instruction\": \"the question: q\\n\\nAnswer1: a Answer2: b\\n\\nAnswer format: x\", \"answer\": \"answer2\"}" },
    { "openbookqa", "{\"id\": 3, \"question_stem\": \"q\", \"choices\": {\"text\": [\"a\", \"b\"], \"label\": [\"A\", \"B\"]}, \"answerKey\": \" B\"}" },
    { "lambada", "{\"text\": \"a b\"}\n" },
    { "lambada_standard", "a b c\nd\n\n e \n" },
    { "wikitext", " \n = A = \n ( b \" c \" d ) @-@ 's \n = B = \n N \xC2\xB0 \n" },
    { "wikitext", "{\"page\": \" = A = \\n b\"}\n{\"text\": \" = C = \\n\"}\n" },
    { "ppl", "a\n \nb\n" },
    { "ppl_c4", "{\"text\": \"a\"}\n" },
};

void fuzz_seeds(fuzz_take *take) {
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++) {
        char in[512];
        for (int k = 0; sgn_eval_task_at(k); k++)
            if (strcmp(sgn_eval_task_at(k)->name, seeds[i].task) == 0) in[0] = (char)k;
        const size_t n = strlen(seeds[i].data);
        memcpy(in + 1, seeds[i].data, n);
        take(in, n + 1);
    }
}

static void check_item(const sgn_eval_task *task, const sgn_item *it) {
    fuzz_check(it->count >= (task->kind == SGN_EVAL_CHOICE ? 2 : 1) && it->count < SGN_CHOICES);
    fuzz_check(it->gold >= 0 && it->gold < it->count);
    fuzz_check(it->context || task->kind == SGN_EVAL_BLOCKS);
    for (int i = 0; i < it->count; i++) fuzz_check(it->text[i] != NULL);
    /* JSON is UTF-8, and no rule cuts a character. */
    if (task->kind == SGN_EVAL_CHOICE)
        for (int i = 0; i < it->count; i++) fuzz_check(sgn_utf8_invalid(it->text[i], strlen(it->text[i])) == 0);
}

static void draw(const sgn_eval_task *task, const sgn_item_set *set) {
    sgn_python_random r;
    sgn_error err = { 0 };
    char *shots;
    sgn_python_random_seed(&r, 1234);
    if (set->count < 2) return;
    fuzz_ok(sgn_shots_draw(&r, task, set, &set->item[0], 1, &shots, &err), &err);
    free(shots);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int tasks = 0;
    while (sgn_eval_task_at(tasks)) tasks++;
    if (size == 0) return 0;
    const sgn_eval_task *task = sgn_eval_task_at(data[0] % tasks);
    const char *path = fuzz_put("x.jsonl", data + 1, size - 1);
    sgn_item_set set, again;
    sgn_error err = { 0 };
    if (fuzz_refused(sgn_item_set_load(&set, task, path, 0, &err), &err, path)) {
        fuzz_check(!set.item);
        return 0;
    }
    fuzz_check(set.count > 0);
    fuzz_ok(sgn_item_set_load(&again, task, path, 0, &err), &err);
    fuzz_check(again.count == set.count);
    for (size_t i = 0; i < set.count; i++) {
        check_item(task, &set.item[i]);
        fuzz_check(task->kind == SGN_EVAL_BLOCKS || sgn_item_same(&set.item[i], &again.item[i]));
    }
    if (task->read) draw(task, &set);
    sgn_item_set_free(&set);
    sgn_item_set_free(&again);
    return 0;
}
