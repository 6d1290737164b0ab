/* jsonl.h - documents out of lines of JSON: one object per line, its text or ids in a field.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_JSONL_H
#define SGN_DATA_JSONL_H

#include "core/json.h"
#include "data/text.h"
#include "data/tokenizer.h"

/* The first of what was left out: why, with file and line. */
enum { SGN_BAD_KEPT = 8 };
typedef struct {
    uint64_t count;
    char     why[SGN_BAD_KEPT][240];
} sgn_bad_lines;
void sgn_bad_lines_add(sgn_bad_lines *b, const char *why);
void sgn_bad_lines_join(sgn_bad_lines *b, const sgn_bad_lines *after);

typedef struct {               /* start zeroed */
    const char *at, *end;      /* what is not read yet; the caller's */
    const char *file, *field;  /* for messages; NULL: "text" */
    uint64_t    line;          /* of the last one read */
    sgn_json   *json;          /* owns the text of the present document */
    sgn_ids     ids;
    sgn_bad_lines *bad;        /* NULL: a line that cannot be read is an error, else it goes here */
} sgn_jsonl;

/* text: whole lines, the last one perhaps without its end; it must stay while they are read. */
void       sgn_jsonl_begin(sgn_jsonl *j, const char *text, size_t size, const char *file, uint64_t lines_before, const char *field);
/* The next document that is not empty, valid until the next call; *more is false at the end. */
sgn_status sgn_jsonl_next(sgn_jsonl *j, sgn_text_part *out, bool *more, sgn_error *err);
void       sgn_jsonl_free(sgn_jsonl *j);

#endif
