/* text.h - documents out of files, one after the other, in bounded memory.
 *
 * Inputs: files, directories (all text files below, sorted by path), "-" (standard input),
 * "@list" (a file with one input per line). By the name: .jsonl and .ndjson hold one JSON object per line,
 * everything else is plain text; either may be gzip or zstd, which is seen by its magic bytes.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_TEXT_H
#define SGN_DATA_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/status.h"

typedef enum { SGN_TEXT_BY_NAME, SGN_TEXT_PLAIN, SGN_TEXT_JSONL } sgn_text_format;

typedef struct {
    sgn_text_format format;
    /* Between the documents of a plain text file: NULL or "" nothing (a file is one document),
     * "blank-line", or a string. Newlines beside a separator go with it. */
    const char *separator;
    const char *field;         /* of a JSON object; NULL: "text". An array of integers there, or
                                * in "token_ids" where the field is missing, holds ids. */
    bool        skip_bad;      /* sgn_corpus: lines of jsonl that hold no such document are left out and counted */
} sgn_text_options;

/* A document, or a part of a long one: cut so that known split patterns give the same ids, between
 * words at a space or newline (after 256 KiB without such a place, between any characters). */
typedef struct {
    const char    *text;       /* size bytes */
    size_t         size;
    const int32_t *ids;        /* instead of text: count ids */
    size_t         count;
    bool           first, last;/* part of its document */
    bool           lines;      /* sgn_text_next_block: not a document, but whole lines of a jsonl file */
    const char    *file;       /* where from, for messages */
    uint64_t       line;       /* of a jsonl file, from 1; of a block: the lines before it */
} sgn_text_part;

typedef struct sgn_text sgn_text;
sgn_status sgn_text_open(sgn_text **t, const char *const *inputs, int count, const sgn_text_options *o, sgn_error *err);
/* Parts in order, valid until the next call; *more is false, and *out nothing, at the end.
 * Empty documents are left out; the last part of a document may be empty. */
sgn_status sgn_text_next(sgn_text *t, sgn_text_part *out, bool *more, sgn_error *err);
/* The same, but jsonl comes in blocks of lines, for sgn_jsonl to read (by another thread, from a copy). */
sgn_status sgn_text_next_block(sgn_text *t, sgn_text_part *out, bool *more, sgn_error *err);
uint64_t   sgn_text_read_bytes(const sgn_text *t);     /* of the files, as stored, so far */
uint64_t   sgn_text_total_bytes(const sgn_text *t);    /* 0: unknown (standard input) */
int        sgn_text_files(const sgn_text *t);           /* at least 1 */
const char *sgn_text_file(const sgn_text *t, int i);   /* for messages */
void       sgn_text_close(sgn_text *t);

#endif
