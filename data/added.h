/* added.h - tokens that are found in text as they stand, before it is cut into words.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_ADDED_H
#define SGN_DATA_ADDED_H

#include <stdbool.h>
#include "data/trie.h"
#include "data/vocabulary.h"

enum { SGN_ADDED_LEFT = 1, SGN_ADDED_RIGHT = 2, SGN_ADDED_WORD = 4 };  /* takes white space beside it; stands alone */

typedef struct {
    sgn_trie words, all;       /* tokens that are no marks; those and the special ones */
    uint8_t *rule;             /* (count of ids): bits as above */
    bool     any_words, any;
} sgn_added;                   /* start zeroed */

sgn_status sgn_added_fill(sgn_added *a, const sgn_vocabulary *v, const char *where, sgn_error *err);
void       sgn_added_free(sgn_added *a);
/* The first token in the text: it is text[*begin .. *end). -1: none. */
int32_t    sgn_added_find(const sgn_added *a, bool specials, const char *text, size_t size, size_t from, size_t *begin, size_t *end);

#endif
