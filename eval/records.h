/* records.h - the records of a data file: one JSON object per line, a JSON array of objects, or plain text.
 *
 * Any of them may be gzip or zstd, which is seen by the magic bytes. {"rows": [{"row": {...}}, ...]}, as the dataset
 * viewer of Hugging Face answers, counts as an array of its rows.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_EVAL_RECORDS_H
#define SGN_EVAL_RECORDS_H

#include "core/file.h"
#include "core/json.h"

typedef struct {               /* start zeroed */
    sgn_path    file;
    char       *text;          /* all of it, size bytes and a NUL */
    size_t      size, at;
    bool        json;          /* the first byte that is no white space is { or [ */
    uint64_t    number;        /* of the present line, or record of an array, from 1 */
    sgn_json   *value;         /* owns the array, or the present line */
    const sgn_json *array;     /* NULL: lines */
    char        place[SGN_PATH_MAX + 32];      /* "FILE:12" or "FILE: record 12": the present one, for messages */
} sgn_records;

sgn_status sgn_records_open(sgn_records *r, const char *path, sgn_error *err);
void       sgn_records_close(sgn_records *r);
/* The next object of a file that is JSON, valid until the next call; NULL at the end. */
sgn_status sgn_records_next(sgn_records *r, const sgn_json **object, sgn_error *err);
/* The next line of plain text without its line end, not NUL-terminated; NULL at the end. */
const char *sgn_records_line(sgn_records *r, size_t *size);

#endif
