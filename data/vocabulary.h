/* vocabulary.h - what a tokenizer is made of: pieces with their ids, and the merges that build them.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_VOCABULARY_H
#define SGN_DATA_VOCABULARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/digest.h"
#include "core/file.h"
#include "core/status.h"

enum { SGN_PIECE_MAX = 1024, SGN_VOCAB_MAX = 1 << 24 };    /* bytes of a piece, pieces */

#define SGN_EOT "<|endoftext|>"

typedef struct { int32_t left, right, whole; } sgn_merge;  /* pieces left and right become whole */

typedef struct {
    int32_t    count;          /* pieces */
    char      *bytes;          /* piece i is bytes[start[i] .. start[i+1]) */
    uint32_t  *start;          /* (count + 1) */
    bool      *special;        /* (count): a mark such as <|endoftext|>, not text */
    bool      *token;          /* (count): a mark or a word that was added, found in text as it stands */
    sgn_merge *merge;          /* (merges), the first to be tried first */
    int32_t    merges;
    double    *score;          /* (count) of Unigram pieces; NULL: none */
    /* A tokenizer.json less model.vocab and model.merges: how text is cut, normalized and put together.
     * Pieces are byte strings where it says ByteLevel, else as they stand in the file. NULL: GPT-2's way. */
    char      *form;
    bool       plain;          /* the form says what NULL says */
    int32_t    model_count;    /* ids from here on are added tokens, not in model.vocab; 0: all are in it */
    int32_t    bos, eos;       /* ids + 1 of what the model puts around a text; 0: none */
    struct sgn_spm *spm;       /* of a SentencePiece model (data/spm.h); NULL: it is none */
    int32_t   *slot;           /* hash of the pieces' bytes -> id + 1 */
    uint32_t   slots;
    int32_t    room, merge_room;
    uint32_t   bytes_room;
} sgn_vocabulary;              /* start zeroed */

/* The new piece has id `count`. Refused: empty, too long, known already. `where` names the source. */
sgn_status sgn_vocabulary_add(sgn_vocabulary *v, const char *bytes, size_t n, bool special, const char *where, sgn_error *err);
/* The same for a token that is no piece of the model: its bytes may be those of a piece, which then is what find gives. */
sgn_status sgn_vocabulary_add_token(sgn_vocabulary *v, const char *bytes, size_t n, bool special, const char *where, sgn_error *err);
/* The piece left + right must exist. */
sgn_status sgn_vocabulary_merge(sgn_vocabulary *v, int32_t left, int32_t right, const char *where, sgn_error *err);
int32_t    sgn_vocabulary_find(const sgn_vocabulary *v, const char *bytes, size_t n);  /* -1: none */
sgn_status sgn_vocabulary_bytes(sgn_vocabulary *v, sgn_error *err);        /* adds the 256 bytes as ids 0..255 */
sgn_digest sgn_vocabulary_digest(const sgn_vocabulary *v);                 /* hex "" without memory */
void       sgn_vocabulary_free(sgn_vocabulary *v);

static inline const char *sgn_vocabulary_piece(const sgn_vocabulary *v, int32_t id, size_t *n) {
    *n = v->start[id + 1] - v->start[id];
    return v->bytes + v->start[id];
}

/* The file of a tokenizer: `where` itself, or what a directory holds. */
sgn_status sgn_vocabulary_find_file(const char *where, sgn_path *path, sgn_error *err);
/* That of a model: in its directory, beside its file, or inside it. */
sgn_status sgn_vocabulary_find_beside(const char *model, sgn_path *path, sgn_error *err);
/* Whatever format it has: tokenizer.json, tokenizer.model, llama2.c's tokenizer.bin, GGUF. */
sgn_status sgn_vocabulary_open(sgn_vocabulary *v, const char *path, sgn_error *err);
/* As a Hugging Face tokenizer.json: byte-level BPE. */
sgn_status sgn_vocabulary_load(sgn_vocabulary *v, const char *path, sgn_error *err);
sgn_status sgn_vocabulary_save(const sgn_vocabulary *v, const char *path, sgn_error *err);
/* As a tokenizer.model, which only a SentencePiece model can be. */
sgn_status sgn_vocabulary_save_model(const sgn_vocabulary *v, const char *path, sgn_error *err);

#endif
