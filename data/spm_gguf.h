/* spm_gguf.h - a SentencePiece model in the lists that a GGUF file has for it.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_SPM_GGUF_H
#define SGN_DATA_SPM_GGUF_H

#include "core/archive.h"
#include "data/vocabulary.h"

enum { SGN_SPM_VALUES = 12 };

typedef struct {               /* start zeroed */
    sgn_meta     meta[SGN_SPM_VALUES];
    int          metas;
    const char  *passed_over;  /* what llama.cpp has no rule for and passes over; NULL: nothing */
    const char  *model, **text;/* (count) */
    char        *made;         /* the texts' bytes */
    float       *score;
    int32_t     *type;
    uint32_t     bos, eos, unknown, pad;
    uint8_t      adds_bos, adds_space, squeezes;
} sgn_spm_lists;

/* Of `vocab` tokens, those beyond v's in use by nobody. Points into v. SGN_UNSUPPORTED: GGUF has no words for it. */
sgn_status sgn_spm_lists_make(sgn_spm_lists *l, const sgn_vocabulary *v, int64_t vocab, sgn_error *err);
void       sgn_spm_lists_free(sgn_spm_lists *l);

#endif
