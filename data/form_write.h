/* form_write.h - the form of a byte-level BPE tokenizer, for those that come from other files.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_FORM_WRITE_H
#define SGN_DATA_FORM_WRITE_H

#include "data/scan.h"
#include "data/vocabulary.h"

/* Malloc'd. `split` NULL: GPT-2's; others come with the rule that a word that is a piece is that piece. */
sgn_status sgn_form_write(char **text, const sgn_vocabulary *v, const sgn_known_split *split, sgn_error *err);

#endif
