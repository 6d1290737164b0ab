/* boolq: "{passage}\nQuestion: {question}?\nAnswer:" with "no", "yes"
 * SPDX-License-Identifier: MIT */
#include "eval/eval_task.h"

static void read(sgn_item_reader *r) {
    const char *passage = sgn_item_string(r, "passage"), *question = sgn_item_string(r, "question");
    sgn_item_context(r, "%s\nQuestion: %s?\nAnswer:", passage, question);
    sgn_item_choice(r, "no");
    sgn_item_choice(r, "yes");
    sgn_item_gold(r, "label|answer", 0);
}

const sgn_eval_task sgn_eval_task_boolq = {
    .name = "boolq", .summary = "yes or no, after a passage", .version = "lm-eval 0.4.2, boolq 2.0", .kind = SGN_EVAL_CHOICE,
    .fields = "passage, question, and label or answer (true, false, 1, 0)", .read = read,
};
