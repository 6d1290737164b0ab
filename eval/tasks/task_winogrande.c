/* winogrande: per option, the sentence up to "_" and the option; scored is the same for both: what follows "_", stripped.
 * SPDX-License-Identifier: MIT */
#include <string.h>
#include "eval/eval_task.h"
#include "eval/rewrite.h"

static void read(sgn_item_reader *r) {
    static const char *const keys[] = { "option1", "option2" };
    const char *sentence = sgn_item_string(r, "sentence"), *gap = strchr(sentence, '_');
    if (!sgn_item_failed(r) && !gap) sgn_item_wrong(r, "the field sentence has no _ for the options to stand in");
    sgn_item_context(r, "%s", "");
    for (int i = 0; i < 2 && gap; i++) {
        const char *option = sgn_item_string(r, keys[i]);
        sgn_item_option(r, sentence, (size_t)(gap - sentence), option);
        sgn_item_choice(r, gap + 1);
    }
    sgn_item_each_text(r, sgn_strip);
    sgn_item_gold(r, "answer", 1);
}

const sgn_eval_task sgn_eval_task_winogrande = {
    .name = "winogrande", .summary = "who or what is meant, two options", .version = "lm-eval 0.4.2, winogrande 1.0", .kind = SGN_EVAL_CHOICE,
    .fields = "sentence with a _, option1, option2 and answer (1, 2)", .read = read,
};
