/* hellaswag: P("{activity_label}: {ctx_a} {capitalized ctx_b}") with P(ending), where P(t) strips t, makes ". " of " [title]",
 * deletes every shortest [...] within a line and makes one space of two, in one pass.
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "data/unicode.h"
#include "eval/eval_task.h"
#include "eval/rewrite.h"

/* In place: no rule makes a text longer. */
static void clean(char *t) {
    sgn_strip(t);
    sgn_replace(t, " [title]", ". ");
    char *to = t;
    for (const char *at = t; *at;) {
        const size_t close = *at == '[' ? strcspn(at, "]\n") : 0;
        if (close && at[close] == ']') at += close + 1;
        else *to++ = *at++;
    }
    *to = '\0';
    sgn_replace(t, "  ", " ");
}

static void read(sgn_item_reader *r) {
    const char *activity = sgn_item_string(r, "activity_label"), *a = sgn_item_string(r, "ctx_a");
    const char *b = sgn_item_string(r, "ctx_b");
    char *capital = NULL, *context = NULL;
    size_t n;
    const bool made = sgn_unicode_capitalize(b, strlen(b), &capital, &n, NULL) == SGN_OK && asprintf(&context, "%s: %s %s", activity, a, capital) >= 0;
    if (made) {
        clean(context);
        sgn_item_context(r, "%s", context);
        free(context);
    } else sgn_item_wrong(r, "no memory for its context");
    free(capital);
    sgn_item_choices(r, "endings");
    sgn_item_each_text(r, clean);
    sgn_item_gold(r, "label", 0);
}

const sgn_eval_task sgn_eval_task_hellaswag = {
    .name = "hellaswag", .summary = "how a description goes on, four endings", .version = "lm-eval 0.4.2, hellaswag 1.0", .kind = SGN_EVAL_CHOICE,
    .by_length = true, .fields = "activity_label, ctx_a, ctx_b, endings (a list) and label (0 to 3)", .read = read,
};
