/* decoding.h - what each id decodes to, by the decoder of a tokenizer.json.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_DECODING_H
#define SGN_DATA_DECODING_H

#include "data/form.h"
#include "data/tokenizer_kind.h"

typedef struct {               /* start zeroed */
    sgn_decoding decoding;     /* of the following, or of the pieces where nothing is done to them */
    char        *bytes;
    uint32_t    *start;
} sgn_decoded;

sgn_status sgn_decoded_fill(sgn_decoded *d, const sgn_form *f, const sgn_vocabulary *v, sgn_error *err);
void       sgn_decoded_free(sgn_decoded *d);

#endif
