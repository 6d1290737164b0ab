/* shard.h - token ids on disk: a directory of zstd-compressed shards with a table of contents.
 *
 *     shards.json        what the set is: width, vocabulary, tokenizer, counts, digests
 *     shard-00000.zst    seekable zstd: independent frames of `frame_tokens` ids, a seek table
 *     tokenizer.json     the tokenizer that made the ids; absent for foreign ids
 *
 * `zstd -d shard-00000.zst` gives plain little-endian u16 or u32 ids. Byte for byte:
 * docs/formats/shard.md.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_SHARD_H
#define SGN_DATA_SHARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/parallel.h"
#include "core/status.h"

enum {
    SGN_SHARD_VERSION = 1,
    SGN_FRAME_TOKENS = 16384,              /* ids per frame that the writer makes */
    SGN_FRAME_TOKENS_MAX = 1 << 20,        /* that the reader accepts */
    SGN_TOKENIZER_NAME = 32
};

/* What shards.json says. */
typedef struct {
    uint32_t vocab;                        /* every id is below it */
    int      width;                        /* bytes per id: 2 up to a vocabulary of 65,536, else 4 */
    char     tokenizer[SGN_TOKENIZER_NAME];/* kind: "bpe", "byte"; "" for foreign ids */
    char     tokenizer_hash[33];           /* sgn_tokenizer_hash; "" for foreign ids */
    uint64_t tokens, documents;
    uint64_t text_bytes;                   /* of the text that the ids stand for, for bits per byte; 0: unknown */
    uint64_t bytes;                        /* of all shard files */
    int      shards;
} sgn_shard_info;

/* --- writing --- */
typedef struct {
    uint32_t    vocab;
    const char *tokenizer, *tokenizer_hash;/* NULL or "" for foreign ids */
    uint64_t    shard_tokens;              /* ids per file; 0: 2^26 */
    int         level;                     /* of zstd; 0: 3 */
    bool        replace;                   /* an existing directory */
} sgn_shard_options;

typedef struct sgn_shard_writer sgn_shard_writer;
/* The directory appears, whole, at a close that succeeds. */
sgn_status sgn_shard_writer_open(sgn_shard_writer **w, const char *dir, const sgn_shard_options *o, sgn_error *err);
sgn_status sgn_shard_writer_put(sgn_shard_writer *w, const int32_t *ids, size_t count, sgn_error *err);
/* Compressing what is full so far, to be run beside other work, and then, before the next put, what writes it.
 * Without them put does both itself when its room is full. As many threads as when w was opened. */
sgn_job    sgn_shard_writer_job(sgn_shard_writer *w);
sgn_status sgn_shard_writer_drain(sgn_shard_writer *w, sgn_error *err);
void       sgn_shard_writer_count(sgn_shard_writer *w, uint64_t documents, uint64_t text_bytes);   /* adds */
uint64_t   sgn_shard_writer_tokens(const sgn_shard_writer *w);
/* Where further files of the set are put before close (tokenizer.json). */
const char *sgn_shard_writer_directory(const sgn_shard_writer *w);
sgn_status sgn_shard_writer_close(sgn_shard_writer *w, sgn_error *err);    /* frees w; no tokens: SGN_FORMAT */
void       sgn_shard_writer_abandon(sgn_shard_writer *w);

/* --- reading: by one thread at a time --- */
typedef struct sgn_shards sgn_shards;
/* `dir` holds shards.json, or a directory named `role` ("train", "valid"; NULL: none) that does.
 * Checks shards.json, the size of every file and the seek tables; frames when they are read. */
sgn_status sgn_shards_open(sgn_shards **s, const char *dir, const char *role, sgn_error *err);
void       sgn_shards_close(sgn_shards *s);
/* Before the first read: keep at most so many bytes of frames (two frames at least) and so many files open. */
void       sgn_shards_limit(sgn_shards *s, size_t bytes, int files);
const sgn_shard_info *sgn_shards_info(const sgn_shards *s);
const char *sgn_shards_directory(const sgn_shards *s);             /* the one that holds shards.json */
/* out = ids [first, first + count). Allocates nothing. */
sgn_status sgn_shards_read(sgn_shards *s, uint64_t first, size_t count, int32_t *out, sgn_error *err);
/* Refuses shards of another vocabulary or tokenizer (hash NULL or "": only the vocabulary is
 * compared); `who` names what they do not fit, for the message. */
sgn_status sgn_shards_fit(const sgn_shards *s, uint32_t vocab, const char *tokenizer_hash, const char *who, sgn_error *err);
/* Reads every file whole and compares its digest. */
sgn_status sgn_shards_verify(sgn_shards *s, sgn_error *err);

#endif
