/* form.h - what a tokenizer.json says around its vocabulary: how text is normalized, cut into words,
 * and put together again. Whatever is not known is refused by its name.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_FORM_H
#define SGN_DATA_FORM_H

#include <stdbool.h>
#include <stdint.h>
#include "core/json.h"
#include "core/status.h"
#include "data/unicode.h"

enum { SGN_FORM_STEPS = 16 };

typedef struct {
    enum { SGN_NORM_FORM, SGN_NORM_PREPEND, SGN_NORM_REPLACE, SGN_NORM_STRIP } kind;
    sgn_normal_form form;
    const char     *text;      /* to prepend; to put instead of the pattern */
    char           *pattern;   /* of REPLACE, for PCRE2 */
    const char     *literal;   /* the same where it is a plain string */
    bool            left, right;       /* of STRIP */
} sgn_norm_step;

typedef enum { SGN_ISOLATED, SGN_REMOVED, SGN_WITH_PREVIOUS, SGN_WITH_NEXT, SGN_CONTIGUOUS } sgn_behaviour;

typedef struct {
    enum { SGN_WORDS_SPLIT, SGN_WORDS_SPACE, SGN_WORDS_MARK } kind;    /* cut; a space put first; spaces become marks */
    char         *pattern;     /* of SPLIT */
    sgn_behaviour behaviour;
    bool          invert;
    const char   *mark;        /* of MARK: U+2581 mostly */
    enum { SGN_MARK_NEVER, SGN_MARK_FIRST, SGN_MARK_ALWAYS } first;    /* put before a text that has none */
} sgn_words_step;

typedef struct {
    enum { SGN_DECODE_REPLACE, SGN_DECODE_BYTES, SGN_DECODE_STRIP } kind;
    const char *text, *with;   /* of REPLACE; the text also of STRIP */
    int32_t     start, stop;   /* of STRIP: how many at most */
} sgn_decode_step;

typedef struct {
    sgn_json       *root;      /* owns the strings */
    sgn_norm_step   norm[SGN_FORM_STEPS];
    sgn_words_step  words[SGN_FORM_STEPS];
    sgn_decode_step decode[SGN_FORM_STEPS];
    int             norms, splits, decodes;
    int32_t         spaces;    /* fall off the beginning when text is put together */
    bool            byte_level;
    bool            fused;     /* a decoder Fuse has been met */
    bool            unigram;
    bool            ignore_merges, byte_fallback, fuse_unk;
    const char     *unk;       /* NULL: none */
    int64_t         unk_id;    /* of Unigram; -1: none */
    const char     *bos, *eos; /* by the post-processor; NULL: none */
} sgn_form;

/* `text` NULL: GPT-2's. `where` names the source. Free also where it fails. */
sgn_status sgn_form_parse(sgn_form *f, const char *text, const char *where, sgn_error *err);
void       sgn_form_free(sgn_form *f);
/* Says what NULL says: byte-level BPE by GPT-2's pattern, and no tokens added but special ones. */
bool       sgn_form_is_plain(const sgn_form *f);

/* The parts of parsing: `at` is the path of `j` in the file, for messages. */
sgn_status sgn_form_normalizer(sgn_form *f, const sgn_json *j, const char *at, const char *where, sgn_error *err);
sgn_status sgn_form_pre_tokenizer(sgn_form *f, const sgn_json *j, const char *at, const char *where, sgn_error *err);
sgn_status sgn_form_decoder(sgn_form *f, const sgn_json *j, const char *at, const char *where, sgn_error *err);
sgn_status sgn_form_post_processor(sgn_form *f, const sgn_json *j, const char *at, const char *where, sgn_error *err);

/* Every key of an object must be one of `keys` ("type|behavior|..."). */
sgn_status sgn_form_keys(const sgn_json *j, const char *keys, const char *at, const char *where, sgn_error *err);
sgn_status sgn_form_unknown(const sgn_json *value, const char *at, const char *key, const char *known, const char *where, sgn_error *err);
/* {"String": s} or {"Regex": r} as a PCRE2 pattern, malloc'd; *literal: s, or NULL. */
sgn_status sgn_form_pattern(const sgn_json *j, char **pattern, const char **literal, const char *at, const char *where, sgn_error *err);
/* Calls `each` with the members of an array, their paths being at.key[i]. */
typedef sgn_status sgn_form_part(sgn_form *f, const sgn_json *j, const char *at, const char *where, sgn_error *err);
sgn_status sgn_form_each(sgn_form *f, const sgn_json *j, const char *key, sgn_form_part *each, const char *at, const char *where,
                         sgn_error *err);

#endif
