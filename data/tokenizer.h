/* tokenizer.h - text to token ids and back, without loss: any bytes go in and come out again.
 *
 * A tokenizer is a vocabulary of pieces (byte strings) and a kind, which knows how text is cut
 * into pieces (registry: data/tokenizers.def). Stored as a Hugging Face tokenizer.json.
 * Handles are immutable after open; encode may be called from several threads at once.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_TOKENIZER_H
#define SGN_DATA_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/status.h"

typedef struct sgn_tokenizer sgn_tokenizer;

/* A growing list of ids; start zeroed. */
typedef struct {
    int32_t *id;
    size_t   count, room;
} sgn_ids;
sgn_status sgn_ids_reserve(sgn_ids *ids, size_t more, sgn_error *err);     /* room for `more` further ids */
void       sgn_ids_free(sgn_ids *ids);

/* `where`: "byte" (ids 0..255 are the bytes, 256 is <|endoftext|>), a tokenizer.json, SentencePiece's
 * tokenizer.model, llama2.c's tokenizer.bin, a GGUF file, or a directory that holds one (in this order). */
sgn_status  sgn_tokenizer_open(sgn_tokenizer **t, const char *where, sgn_error *err);
void        sgn_tokenizer_close(sgn_tokenizer *t);
sgn_status  sgn_tokenizer_save(const sgn_tokenizer *t, const char *path, sgn_error *err);  /* a tokenizer.json; *.model: SentencePiece's format */

const char *sgn_tokenizer_kind_name(const sgn_tokenizer *t);       /* "byte", "bpe", "spm" */
int32_t     sgn_tokenizer_vocab(const sgn_tokenizer *t);           /* number of ids, specials included */
int32_t     sgn_tokenizer_eot(const sgn_tokenizer *t);             /* id of <|endoftext|> or its like, which ends a document; -1: none */
int32_t     sgn_tokenizer_bos(const sgn_tokenizer *t);             /* what its model puts before a text; encode does not; -1: none */
int32_t     sgn_tokenizer_eos(const sgn_tokenizer *t);             /* what its model puts after a text; -1: none */
/* XXH3-128 over pieces, specials and merges: equal for equal tokenizers however they are stored. */
const char *sgn_tokenizer_hash(const sgn_tokenizer *t);

/* Appends the ids of `text`. Special tokens are not recognised in text: text is text. */
sgn_status  sgn_tokenizer_encode(const sgn_tokenizer *t, const char *text, size_t size, sgn_ids *out, sgn_error *err);
/* The same, told more; flags are added up. */
enum {
    SGN_ENCODE_SPECIALS = 1,   /* names of special tokens in the text become their ids */
    SGN_ENCODE_CONTINUES = 2,  /* the text goes on from an earlier part: nothing is put before it */
};
sgn_status  sgn_tokenizer_encode_as(const sgn_tokenizer *t, const char *text, size_t size, unsigned flags, sgn_ids *out,
                                    sgn_error *err);
/* The bytes that a piece decodes to, *n of them and not NUL-terminated; specials have their name ("<|endoftext|>").
 * NULL and 0 for an id outside the vocabulary. */
const char *sgn_tokenizer_piece(const sgn_tokenizer *t, int32_t id, size_t *n);
bool        sgn_tokenizer_is_special(const sgn_tokenizer *t, int32_t id);
/* Bytes of text that `count` ids stand for; specials count 0. */
uint64_t    sgn_tokenizer_text_bytes(const sgn_tokenizer *t, const int32_t *ids, size_t count);

/* Ids to text as they come; a character split over several pieces is held back until whole.
 * Start zeroed; bytes that are not UTF-8 pass unchanged. */
typedef struct {
    char  *text;
    size_t size, room;         /* of text */
    size_t shown;              /* bytes of text already given out */
    bool   specials;           /* set: specials decode to their name, else to nothing */
    bool   begun;              /* text has come: no more bytes fall off its beginning */
} sgn_decoder;
/* *text, *n: what has become whole by this id (perhaps nothing); valid until the next call. */
sgn_status  sgn_decoder_put(sgn_decoder *d, const sgn_tokenizer *t, int32_t id,
                            const char **text, size_t *n, sgn_error *err);
void        sgn_decoder_end(sgn_decoder *d, const char **text, size_t *n);   /* what was held back */
void        sgn_decoder_free(sgn_decoder *d);

#endif
