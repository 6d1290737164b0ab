/* gguf_tokenizer.h - a tokenizer.json in the lists that a GGUF file has for it.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_EXPORT_GGUF_TOKENIZER_H
#define SGN_EXPORT_GGUF_TOKENIZER_H

#include "core/archive.h"
#include "core/json.h"

enum { SGN_GGUF_TOKENIZER_VALUES = 12 };

typedef struct {
    sgn_json    *json;             /* owns the texts */
    const char **token, **merge;   /* (count), (merges) */
    char        *made;             /* texts that the JSON has not */
    int32_t     *type;             /* (count): 1 normal, 2 unknown, 3 control, 4 given by the user, 5 unused, 6 a byte */
    float       *score;            /* (count), or NULL: byte-level */
    uint64_t     count, merges;
    const char  *model, *pre;      /* "gpt2", "llama"; the name of the pattern or NULL */
    uint32_t     bos, eos, unknown;
    bool         has_bos, has_eos, has_unknown;
    uint8_t      adds_bos, adds_space;
    sgn_meta     meta[SGN_GGUF_TOKENIZER_VALUES];
    int          metas;            /* 0: left out */
    const char  *left_out;         /* why */
    sgn_json    *config;           /* owns chat */
    const char  *chat;             /* the model's chat template; NULL: none was found */
} sgn_gguf_tokenizer;

/* Of `vocab` tokens, of which the last may be in use by nobody. What GGUF has no words for is left out, without an error. */
sgn_status sgn_gguf_tokenizer_open(sgn_gguf_tokenizer *t, const char *path, int64_t vocab, sgn_error *err);
/* Sets chat, of the tokenizer_config.json in the directory of `beside`. */
sgn_status sgn_gguf_tokenizer_chat(sgn_gguf_tokenizer *t, const char *beside, sgn_error *err);
void       sgn_gguf_tokenizer_close(sgn_gguf_tokenizer *t);

#endif
