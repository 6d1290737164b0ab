/* openbookqa: the question's stem, nothing around it, with the texts of the choices
 * SPDX-License-Identifier: MIT */
#include "eval/eval_task.h"

static void read(sgn_item_reader *r) {
    sgn_item_context(r, "%s", sgn_item_string(r, "question_stem|question.stem|ctx"));
    sgn_item_choices(r, "choices|question.choices");
    sgn_item_answer(r, "answerKey|gold|label");
}

const sgn_eval_task sgn_eval_task_openbookqa = {
    .name = "openbookqa", .summary = "elementary science, four answers", .version = "lm-eval 0.4.2, openbookqa 1.0", .kind = SGN_EVAL_CHOICE,
    .by_length = true, .test = true,
    .fields = "question_stem (or question.stem, ctx), choices with text and label, or a list of texts, and answerKey (or gold from 0)",
    .read = read,
};
