/* word_count.h - the different words of a text and how often each occurs.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_WORD_COUNT_H
#define SGN_DATA_WORD_COUNT_H

#include <stddef.h>
#include <stdint.h>
#include "core/status.h"

typedef struct {
    size_t   start;            /* of its bytes */
    uint32_t n;
    uint64_t count;
} sgn_word;

typedef struct {               /* start zeroed */
    sgn_word *word;            /* (count), in the order they were met */
    char     *bytes;
    uint32_t *slot;            /* hash of the bytes -> index + 1 */
    uint32_t  count, room, slots;
    size_t    size, bytes_room;
} sgn_words;

sgn_status sgn_words_add(sgn_words *w, const char *word, size_t n, sgn_error *err);
void       sgn_words_free(sgn_words *w);

#endif
