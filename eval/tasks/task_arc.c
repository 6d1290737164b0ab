/* arc_easy, arc_challenge: "Question: {question}\nAnswer:" with the texts of the choices
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include "eval/eval_task.h"
#include "eval/rewrite.h"

/* As instruction sets put it: "...: QUESTION\n\nAnswer1: TEXT Answer2: TEXT ...\n\nAnswer format: ..." with answer "answer2". */
static void read_instruction(sgn_item_reader *r) {
    const char *gold = sgn_item_string(r, "answer");
    char *text = strdup(sgn_item_string(r, "instruction")), *question = text ? strstr(text, "question: ") : NULL;
    char *answers = question ? strstr(question, "\n\nAnswer1: ") : NULL, *end = answers ? strstr(answers, "\n\nAnswer format:") : NULL;
    char mark[] = " Answer1: ";
    if (!end) sgn_item_wrong(r, "the field instruction is not \"...question: ...\\n\\nAnswer1: ...\\n\\nAnswer format: ...\"");
    else {
        *answers = *end = '\0';
        sgn_item_context(r, "Question: %s\nAnswer:", question + strlen("question: "));
        for (char *at = answers + strlen("\n\nAnswer1: "), *next; at && mark[7] < '9'; at = next) {
            mark[7]++;
            next = strstr(at, mark);
            if (next) *next = '\0', next += strlen(mark);
            sgn_item_choice(r, at);
        }
        sgn_item_gold_text(r, strncmp(gold, "answer", 6) == 0 ? gold + 6 : gold, 1);
    }
    free(text);
}

static void read(sgn_item_reader *r) {
    if (sgn_item_has(r, "instruction")) {
        read_instruction(r);
        return;
    }
    sgn_item_context(r, "Question: %s\nAnswer:", sgn_item_string(r, "question|question.stem|ctx"));
    sgn_item_choices(r, "choices|question.choices");
    sgn_item_answer(r, "answerKey|gold|label");
}

#define FIELDS "question (or question.stem, ctx), choices with text and label, or a list of texts, and answerKey (or gold from 0)"

const sgn_eval_task sgn_eval_task_arc_easy = {
    .name = "arc_easy", .summary = "science questions of the easy set", .version = "lm-eval 0.4.2, arc_easy 1.0", .kind = SGN_EVAL_CHOICE,
    .by_length = true, .test = true, .fields = FIELDS, .read = read,
};
const sgn_eval_task sgn_eval_task_arc_challenge = {
    .name = "arc_challenge", .summary = "science questions of the challenge set", .version = "lm-eval 0.4.2, arc_challenge 1.0",
    .kind = SGN_EVAL_CHOICE, .by_length = true, .test = true, .fields = FIELDS, .read = read,
};
