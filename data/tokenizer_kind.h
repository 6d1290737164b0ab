/* tokenizer_kind.h - what a kind of tokenizer provides; for the rows in data/tokenizers/.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_TOKENIZER_KIND_H
#define SGN_DATA_TOKENIZER_KIND_H

#include "data/tokenizer.h"
#include "data/vocabulary.h"

/* A flag of encode between the public ones: text before this has become an added token. */
enum { SGN_ENCODE_LATER = 4 };

/* What ids decode to where it is not the bytes of their pieces ("\xE2\x96\x81the" to " the", "<0x0A>" to a newline). */
typedef struct {
    const char     *bytes;     /* id decodes to bytes[start[id] .. start[id+1]), perhaps none */
    const uint32_t *start;     /* (count + 1); NULL: to its piece */
    int32_t         spaces;    /* so many spaces, where there are, fall off the beginning of a text; INT32_MAX: all */
    int32_t         keeps;     /* id + 1 of a piece from which none fall; 0: there is none */
} sgn_decoding;

typedef struct {
    const char *name, *help;
    /* The vocabulary that the kind brings along, asked for by its name; NULL: it needs a file. */
    sgn_status (*built_in)(sgn_vocabulary *v, sgn_error *err);
    bool       (*reads)(const sgn_vocabulary *v);      /* encodes it; the first kind that does has it */
    /* Tables for encoding, shared by all threads; `where` names the source. */
    sgn_status (*tables_open)(void **tables, const sgn_vocabulary *v, const char *where, sgn_error *err);
    void       (*tables_close)(void *tables);
    /* What encoding changes: one per thread. */
    sgn_status (*encoder_open)(void **encoder, const void *tables, sgn_error *err);
    void       (*encoder_close)(void *encoder);
    sgn_status (*encode)(void *encoder, const char *text, size_t size, unsigned flags, sgn_ids *out, sgn_error *err);
    const sgn_decoding *(*decoding)(const void *tables);           /* NULL: ids decode to their pieces */
} sgn_tokenizer_kind;

const sgn_tokenizer_kind *sgn_tokenizer_kind_at(int i);        /* NULL past the end */

/* A tokenizer of a vocabulary, which it takes over, also where it fails. */
sgn_status sgn_tokenizer_from(sgn_tokenizer **t, sgn_vocabulary *v, const char *where, sgn_error *err);
const sgn_vocabulary *sgn_tokenizer_vocabulary(const sgn_tokenizer *t);
int32_t sgn_tokenizer_leading_spaces(const sgn_tokenizer *t, int32_t id);  /* that fall off a text that begins with this id */

#endif
