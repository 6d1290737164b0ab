/* raw_ids.h - files of plain little-endian u16 or u32 ids, read as documents: one per file.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_RAW_IDS_H
#define SGN_DATA_RAW_IDS_H

#include "data/text.h"

typedef struct sgn_raw_ids sgn_raw_ids;
sgn_status sgn_raw_ids_open(sgn_raw_ids **r, const char *const *inputs, int count, int width, sgn_error *err);
sgn_status sgn_raw_ids_next(sgn_raw_ids *r, sgn_text_part *out, bool *more, sgn_error *err);   /* as sgn_text_next */
uint64_t   sgn_raw_ids_read_bytes(const sgn_raw_ids *r);
uint64_t   sgn_raw_ids_total_bytes(const sgn_raw_ids *r);
int        sgn_raw_ids_files(const sgn_raw_ids *r);
void       sgn_raw_ids_close(sgn_raw_ids *r);

#endif
