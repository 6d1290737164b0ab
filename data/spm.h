/* spm.h - a SentencePiece model: what tokenizer.model holds beside the pieces themselves.
 *
 * The pieces are those of a vocabulary, as they stand in the file ("\xE2\x96\x81the", "<0x0A>"); this is the rest.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_SPM_H
#define SGN_DATA_SPM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/status.h"
#include "data/vocabulary.h"

#define SGN_SPM_SPACE "\xE2\x96\x81"           /* U+2581 stands for a space in pieces */

/* The numbers of the file format (GGUF has the same). */
typedef enum {
    SGN_SPM_NORMAL = 1, SGN_SPM_UNKNOWN, SGN_SPM_CONTROL, SGN_SPM_USER, SGN_SPM_UNUSED, SGN_SPM_BYTE
} sgn_spm_type;

typedef struct sgn_spm {
    float   *score;            /* (count) */
    uint8_t *type;             /* (count) sgn_spm_type */
    bool     unigram;          /* else BPE */
    bool     byte_fallback;    /* what no piece covers becomes bytes, else the unknown piece */
    bool     dummy_prefix;     /* a space is put before a text */
    bool     squeeze;          /* spaces at both ends are dropped, runs of them become one */
    bool     escape;           /* a space is U+2581 in pieces */
    int32_t  unk;              /* id of the unknown piece */
    int32_t  bos, eos, pad;    /* -1: none */
    char     unk_surface[64];  /* what the unknown piece decodes to */
    char     normalizer[32];   /* name, for people; charsmap is what counts */
    uint8_t *charsmap;         /* (charsmap_size) darts-clone trie of replacements; NULL: none */
    size_t   charsmap_size;
} sgn_spm;

/* `v` starts zeroed; freed by the caller also where it fails. */
sgn_status sgn_spm_parse(sgn_vocabulary *v, const void *data, size_t size, const char *where, sgn_error *err);
sgn_status sgn_spm_load(sgn_vocabulary *v, const char *path, sgn_error *err);           /* a tokenizer.model */
sgn_status sgn_spm_load_llama2c(sgn_vocabulary *v, const char *path, sgn_error *err);   /* llama2.c's tokenizer.bin */

sgn_status sgn_spm_load_gguf(sgn_vocabulary *v, const char *path, sgn_error *err);      /* the one in a GGUF file */

/* Built by hand: an empty model with one score and type per piece to come, room for `count`. */
sgn_status sgn_spm_make(sgn_vocabulary *v, int32_t count, sgn_error *err);
/* Holds a vocabulary to the rules of the format and finds its unknown piece; called by parse and load. */
sgn_status sgn_spm_check(sgn_vocabulary *v, const char *where, sgn_error *err);
/* As a tokenizer.model of what matters, the same bytes for the same model; malloc'd. */
sgn_status sgn_spm_write(const sgn_vocabulary *v, uint8_t **out, size_t *size, sgn_error *err);
int        sgn_spm_byte(const char *piece, size_t n);      /* of "<0xHH>", -1: it is not that */
void       sgn_spm_free(sgn_spm *m);                       /* of a vocabulary; may be NULL */

#endif
