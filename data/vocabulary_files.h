/* vocabulary_files.h - vocabularies of byte-level BPE in files other than a tokenizer.json.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_VOCABULARY_FILES_H
#define SGN_DATA_VOCABULARY_FILES_H

#include <stdbool.h>
#include "data/vocabulary.h"

/* vocab.json with merges.txt beside it, or encoder.json with vocab.bpe; `path` is one of the two. Beside them
 * added_tokens.json and tokenizer_config.json are heeded: GPT-2's way, or Qwen 2's. */
bool       sgn_vocabulary_is_pair(const char *path);
sgn_status sgn_vocabulary_load_pair(sgn_vocabulary *v, const char *path, sgn_error *err);

/* tiktoken: lines of a piece in base64 and its rank, which is its id. The number of ranks tells the split
 * pattern and the special tokens; cl100k's pattern and <|endoftext|> where it is none of those known. */
bool       sgn_vocabulary_is_ranks(const char *path);
sgn_status sgn_vocabulary_load_ranks(sgn_vocabulary *v, const char *path, sgn_error *err);

/* Whatever vocabulary a GGUF file has: byte-level, or SentencePiece's (data/spm.h). */
sgn_status sgn_vocabulary_load_gguf(sgn_vocabulary *v, const char *path, sgn_error *err);

#endif
