/* piqa: "Question: {goal}\nAnswer:" with sol1, sol2
 * SPDX-License-Identifier: MIT */
#include "eval/eval_task.h"

static void read(sgn_item_reader *r) {
    sgn_item_context(r, "Question: %s\nAnswer:", sgn_item_string(r, "goal"));
    sgn_item_choice(r, sgn_item_string(r, "sol1"));
    sgn_item_choice(r, sgn_item_string(r, "sol2"));
    sgn_item_gold(r, "label", 0);
}

const sgn_eval_task sgn_eval_task_piqa = {
    .name = "piqa", .summary = "physical common sense, two solutions", .version = "lm-eval 0.4.2, piqa 1.0", .kind = SGN_EVAL_CHOICE,
    .by_length = true, .fields = "goal, sol1, sol2, and label (0, 1) or a file X-labels.lst beside X.jsonl with one per line", .read = read,
};
