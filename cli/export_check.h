/* export_check.h - does a file that was just exported give the logits of the model that it is made of?
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_CLI_EXPORT_CHECK_H
#define SGN_CLI_EXPORT_CHECK_H

#include "export/format.h"
#include "model/bit_count.h"

typedef struct {
    double difference;                 /* the largest of a logit */
    double nats, divergence;           /* per token: of the file; of its distributions from the model's */
} sgn_logit_gap;

typedef struct {
    const sgn_transformer *model;
    double        tolerance;           /* of the largest logit, and at least of 1; infinite: whatever comes is only measured */
    int64_t       windows, seq;
    int32_t      *ids;                 /* (windows, seq) */
    char          source[160];         /* of these tokens */
    float        *want, *got;          /* (seq, vocab) */
    /* what it found */
    double        nats, largest;       /* of the model: per token; logit */
    bool          signs;               /* it runs from planes */
    sgn_logit_gap exact, int8;         /* of the file; and with activations rounded to 8 bits, where it has signs */
    uint64_t      bytes;
    sgn_bits      bits;                /* of the file */
} sgn_export_check;

/* Tokens to compare on: of the shards, NULL: of the validation set of the run in directory `from`, else random ones, always the same. */
sgn_status sgn_export_check_tokens(sgn_export_check *e, const char *shards, const char *from, sgn_error *err);
/* sgn_export_options.check, with a sgn_export_check. */
sgn_status sgn_export_check_file(void *check, const char *directory, sgn_error *err);
void       sgn_export_check_free(sgn_export_check *e);

#endif
