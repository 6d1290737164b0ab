/* lambada: the text before the last space, scored on what follows it, with that space. `lambada` is lambada_openai; the two differ in
 * their data (detokenized by OpenAI, or as first released), not in what is asked.
 * SPDX-License-Identifier: MIT */
#include <string.h>
#include "eval/eval_task.h"

static void read(sgn_item_reader *r) {
    char word[4096];
    const char *text = sgn_item_string(r, "text"), *space = strrchr(text, ' ');
    if (strlen(space ? space + 1 : text) > sizeof word - 2) {
        sgn_item_wrong(r, "its last word is longer than %zu bytes", sizeof word - 2);
        return;
    }
    sgn_item_context(r, "%.*s", space ? (int)(space - text) : 0, text);
    word[0] = ' ';
    strcpy(word + 1, space ? space + 1 : text);
    sgn_item_choice(r, word);
}

#define FIELDS "text, or is plain text with one passage per line"

const sgn_eval_task sgn_eval_task_lambada = {
    .name = "lambada", .summary = "the last word of a passage (as lambada_openai)", .version = "lm-eval 0.4.2, lambada_openai 1.0",
    .kind = SGN_EVAL_LAST_WORD, .test = true, .fields = FIELDS, .read = read,
};
const sgn_eval_task sgn_eval_task_lambada_openai = {
    .name = "lambada_openai", .summary = "the last word of a passage, OpenAI's text", .version = "lm-eval 0.4.2, lambada_openai 1.0",
    .kind = SGN_EVAL_LAST_WORD, .test = true, .fields = FIELDS, .read = read,
};
const sgn_eval_task sgn_eval_task_lambada_standard = {
    .name = "lambada_standard", .summary = "the last word of a passage, the text first released", .version = "lm-eval 0.4.2, lambada_standard 1.0",
    .kind = SGN_EVAL_LAST_WORD, .test = true, .fields = FIELDS, .read = read,
};
