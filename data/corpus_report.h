/* corpus_report.h - what tokenizing counted, added up over parts and kept as report.json.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_CORPUS_REPORT_H
#define SGN_DATA_CORPUS_REPORT_H

#include "core/json.h"
#include "data/corpus.h"

#define SGN_CORPUS_REPORT "report.json"

void       sgn_corpus_report_add(sgn_corpus_report *sum, const sgn_corpus_report *r);   /* not seconds and total_bytes */
/* The counts, with bytes_per_token and mb_per_s made of them; owned by the caller. */
sgn_json  *sgn_corpus_report_json(const sgn_corpus_report *r);
/* `plan`: digest of the plan that the counts belong to. */
sgn_status sgn_corpus_report_save(const sgn_corpus_report *r, const char *plan, const char *path, sgn_error *err);
sgn_status sgn_corpus_report_load(sgn_corpus_report *r, const char *plan, const char *path, sgn_error *err);

#endif
