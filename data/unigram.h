/* unigram.h - the Unigram segmentation: of all ways to cut a text into pieces, the one with the highest sum of scores.
 *
 *     best(0) = 0, best(j) = max over pieces p = text[i..j) of best(i) + score(p)
 * A character that is no piece itself counts as the unknown piece. Of equal sums the one found first
 * wins: the longest last piece, as the pieces are tried from left to right.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_UNIGRAM_H
#define SGN_DATA_UNIGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/status.h"
#include "data/vocabulary.h"

typedef struct {
    const double *score;       /* (count); -INFINITY: never found in text */
    double        unk_score;   /* SentencePiece and Hugging Face: the lowest score less 10 */
    int32_t       unk;         /* id of the unknown piece */
    bool          single;      /* sums rounded to float, as SentencePiece has them; else double, as Hugging Face */
} sgn_unigram_options;

/* Tables, shared by all threads. `score` is copied; the vocabulary is not needed after open. */
typedef struct sgn_unigram sgn_unigram;
sgn_status sgn_unigram_open(sgn_unigram **u, const sgn_vocabulary *v, const sgn_unigram_options *o, sgn_error *err);
void       sgn_unigram_close(sgn_unigram *u);

typedef struct { int32_t id; uint32_t begin; double sum; } sgn_unigram_part;
/* One per thread; start zeroed. After a call piece i is part[i].id, the bytes part[i].begin .. part[i+1].begin
 * (part[count].begin is the size). An unknown piece is one character, or one byte that belongs to none. */
typedef struct {
    const sgn_unigram_part *part;
    size_t                  count;
    sgn_unigram_part       *node;      /* (room) best way to each place */
    size_t                  room;
} sgn_unigram_path;
sgn_status sgn_unigram_cut(const sgn_unigram *u, const char *text, size_t size, sgn_unigram_path *path, sgn_error *err);
void       sgn_unigram_path_free(sgn_unigram_path *path);

#endif
