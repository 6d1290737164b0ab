/* eval_task.h - what an evaluation task is: how a record of its data becomes a question, and how answers are scored.
 *
 * Rows: eval/tasks.def. The definitions are those of lm-eval 0.4.2, but for ppl, which is FBI-LLM's.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_EVAL_EVAL_TASK_H
#define SGN_EVAL_EVAL_TASK_H

#include "eval/records.h"

typedef enum {
    SGN_EVAL_CHOICE,           /* which answer is likeliest: acc, acc_norm */
    SGN_EVAL_LAST_WORD,        /* is the word the likeliest: acc, perplexity */
    SGN_EVAL_PAGES,            /* log-likelihood of whole pages, per word and byte */
    SGN_EVAL_BLOCKS            /* perplexity over blocks of tokens */
} sgn_eval_kind;

enum { SGN_CHOICES = 16 };     /* most answers of a question */

/* A question: request i is (shots + context + option[i], space + text[i]); the space of CHOICE only. */
typedef struct {
    char    *context;          /* PAGES: the page as it stands in the data */
    char    *option[SGN_CHOICES];              /* NULL: nothing is put behind the context */
    char    *text[SGN_CHOICES];                /* PAGES, BLOCKS: [0], what is scored */
    int      count, gold;
    char    *id;               /* of the data; NULL: it has none */
    uint64_t number;           /* line or record */
} sgn_item;

typedef struct {               /* start zeroed */
    sgn_path  file;
    sgn_item *item;
    size_t    count, room;
} sgn_item_set;

typedef struct sgn_item_reader sgn_item_reader;

typedef struct {
    const char   *name, *summary;
    const char   *version;     /* whose definition */
    sgn_eval_kind kind;
    bool          by_length;   /* CHOICE: acc_norm as well */
    bool          test;        /* evaluated on its test split, else on validation */
    int64_t       most_blocks; /* BLOCKS; 0: all */
    const char   *fields;      /* what a record must have, for messages and help */
    void        (*read)(sgn_item_reader *r);   /* a record to r's item */
    /* Instead, where a file is not a list of questions. */
    sgn_status  (*load)(sgn_records *r, sgn_item_set *set, sgn_error *err);
} sgn_eval_task;

const sgn_eval_task *sgn_eval_task_find(const char *name);     /* NULL: none */
const sgn_eval_task *sgn_eval_task_at(int i);                  /* NULL past the end */
sgn_status           sgn_eval_task_unknown(const char *name, sgn_error *err);

/* The questions of a file; limit 0: all. PIQA's answers may stand in X-labels.lst beside X.jsonl. */
sgn_status sgn_item_set_load(sgn_item_set *set, const sgn_eval_task *task, const char *path, int64_t limit, sgn_error *err);
void       sgn_item_set_free(sgn_item_set *set);
/* A zeroed item at the end; NULL: no memory. */
sgn_item  *sgn_item_set_add(sgn_item_set *set, sgn_error *err);
bool       sgn_item_same(const sgn_item *a, const sgn_item *b);
/* Of a task's data in a directory: DIR/NAME.jsonl, DIR/NAME/SPLIT.jsonl, DIR/NAME_SPLIT.jsonl and the like; DIR/SPLIT.jsonl
 * where the directory is its own. split NULL: the one that is evaluated. A file is itself. */
sgn_status sgn_eval_task_file(const sgn_eval_task *task, const char *where, bool own, const char *split,
                              sgn_path *path, sgn_error *err);

/* --- for the rows: fields of the present record; the first failure sticks, and what is read after it is empty ----------- */

/* keys: "question.stem|question|ctx": the first of these paths that is a string. Valid while the record is. */
const char *sgn_item_string(sgn_item_reader *r, const char *keys);
void        sgn_item_context(sgn_item_reader *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* What stands between the context and the next choice: size bytes of text, and then more. */
void        sgn_item_option(sgn_item_reader *r, const char *text, size_t size, const char *more);
void        sgn_item_choice(sgn_item_reader *r, const char *text);
/* {"text": [...], "label": [...]}, [{"text", "label"}, ...] or [text, ...]; *labels for sgn_item_answer. */
void        sgn_item_choices(sgn_item_reader *r, const char *keys);
/* Gold as a label of those choices ("B", "2"; letters where they have none) or an index from 0. */
void        sgn_item_answer(sgn_item_reader *r, const char *keys);
/* Gold as a number from `first` on, in digits or not; a truth value counts as 0 or 1. */
void        sgn_item_gold(sgn_item_reader *r, const char *keys, int first);
void        sgn_item_gold_text(sgn_item_reader *r, const char *text, int first);   /* the same, of this text */
void        sgn_item_each_text(sgn_item_reader *r, void (*change)(char *text));   /* the choices', in place */
bool        sgn_item_has(const sgn_item_reader *r, const char *key);
void        sgn_item_wrong(sgn_item_reader *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));  /* fails, naming the place */
bool        sgn_item_failed(const sgn_item_reader *r);

#endif
