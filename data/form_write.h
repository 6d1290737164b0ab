/* form_write.h - the form of a byte-level BPE tokenizer, for those that come from other files.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_FORM_WRITE_H
#define SGN_DATA_FORM_WRITE_H

#include "core/json.h"
#include "data/scan.h"
#include "data/vocabulary.h"

/* GPT-2's way, with another split where it is not its own; takes `added`, tokens as the file has them.
 * `whole_words`: a word that is a piece is that piece, as with Llama 3. `nfc`: text is brought to NFC, as with Qwen 2: what is
 * learnt here does not, so that every text comes back. */
sgn_json  *sgn_form_new(const sgn_known_split *split, bool whole_words, bool nfc, sgn_json *added);
/* The same for the tokens of a vocabulary, as text, malloc'd. */
sgn_status sgn_form_write(char **text, const sgn_vocabulary *v, const sgn_known_split *split, bool whole_words, bool nfc, sgn_error *err);
/* The vocabulary that a tokenizer.json holds; frees its root. */
sgn_status sgn_vocabulary_read(sgn_vocabulary *v, sgn_json *root, const char *path, sgn_error *err);

#endif
