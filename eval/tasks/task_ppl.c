/* ppl, ppl_ptb, ppl_c4: perplexity as FBI-LLM measures it. The rows of a text are joined, tokenized as one with BOS and cut into blocks;
 *     ppl = exp(mean over blocks of the mean of -log p(token | its block so far) over the block but its first token)
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include "eval/eval_task.h"
#include "eval/rewrite.h"

typedef struct {
    const char *name, *field, *between;
    int64_t     most;          /* rows; 0: all */
    bool        ends;          /* rows of plain text keep their line ends, blank ones become empty; else lines are stripped */
} style;

static const style wikitext2 = { "ppl", "text", "\n\n", 0, true };
static const style ptb = { "ppl_ptb", "sentence", " ", 0, false };
static const style c4 = { "ppl_c4", "text", " ", 1100, false };

/* The next row; *text NULL at the end. */
static sgn_status next_row(sgn_records *r, const style *s, const char **text, size_t *size, sgn_error *err) {
    if (r->json) {
        const sgn_json *object;
        SGN_TRY(sgn_records_next(r, &object, err));
        const sgn_json *own = sgn_json_get(object, s->field);
        *text = sgn_json_string(own ? own : sgn_json_get(object, "text"), NULL);
        if (object && !*text)
            SGN_FAIL(err, SGN_FORMAT, "%s: there is no text in a field %s; %s expects objects with it, or plain text", r->place, s->field, s->name);
        *size = *text ? strlen(*text) : 0;
        return SGN_OK;
    }
    *text = sgn_records_line(r, size);
    if (!*text) return SGN_OK;
    const char *end = *text + *size, *begin = sgn_skip_white(*text, end);
    if (!s->ends) {
        *text = begin;
        *size = (size_t)(sgn_trim_white(begin, end) - begin);
    } else if (begin == end) *size = 0;
    else *size += *end == '\n';
    return SGN_OK;
}

static sgn_status join(sgn_records *r, sgn_item_set *set, const style *s, sgn_error *err) {
    sgn_growing all = { 0 };
    const char *text;
    size_t size;
    sgn_status status = next_row(r, s, &text, &size, err);
    for (int64_t n = 0; status == SGN_OK && text && (s->most == 0 || n < s->most); n++) {
        if (n) status = sgn_growing_put(&all, s->between, strlen(s->between), err);
        if (status == SGN_OK) status = sgn_growing_put(&all, text, size, err);
        if (status == SGN_OK) status = next_row(r, s, &text, &size, err);
    }
    sgn_item *it = status == SGN_OK && all.size ? sgn_item_set_add(set, err) : NULL;
    if (!it) {
        free(all.text);
        return status == SGN_OK && all.size ? SGN_NOMEM : status;
    }
    it->text[0] = all.text;
    it->count = 1;
    return SGN_OK;
}

static sgn_status load_wikitext2(sgn_records *r, sgn_item_set *set, sgn_error *err) { return join(r, set, &wikitext2, err); }
static sgn_status load_ptb(sgn_records *r, sgn_item_set *set, sgn_error *err) { return join(r, set, &ptb, err); }
static sgn_status load_c4(sgn_records *r, sgn_item_set *set, sgn_error *err) { return join(r, set, &c4, err); }

const sgn_eval_task sgn_eval_task_ppl = {
    .name = "ppl", .summary = "perplexity over blocks of tokens, as of WikiText-2", .version = "FBI-LLM eval.py, wikitext2", .kind = SGN_EVAL_BLOCKS,
    .test = true, .fields = "plain text, or objects with text for each line", .load = load_wikitext2,
};
const sgn_eval_task sgn_eval_task_ppl_ptb = {
    .name = "ppl_ptb", .summary = "the same, sentences joined by a space", .version = "FBI-LLM eval.py, ptb", .kind = SGN_EVAL_BLOCKS, .test = true,
    .fields = "plain text with one sentence per line, or objects with sentence", .load = load_ptb,
};
const sgn_eval_task sgn_eval_task_ppl_c4 = {
    .name = "ppl_c4", .summary = "the same, the first 1100 documents, at most 256 blocks", .version = "FBI-LLM eval.py, c4", .kind = SGN_EVAL_BLOCKS,
    .most_blocks = 256, .fields = "objects with text, or plain text with one document per line", .load = load_c4,
};
