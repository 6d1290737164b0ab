/* text_inputs.h - what the user named as inputs, as a list of files in a fixed order.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_TEXT_INPUTS_H
#define SGN_DATA_TEXT_INPUTS_H

#include <stdbool.h>
#include <stdint.h>
#include "core/status.h"

typedef struct {
    char   **path;             /* (count); "-": standard input */
    int      count, room;
    uint64_t bytes;            /* of all files, as stored; 0: unknown */
    bool     unknown;
} sgn_inputs;

/* Files, directories (searched for text files), "@list", "-". Refused: what is not there, and nothing at all. */
sgn_status sgn_inputs_list(sgn_inputs *in, const char *const *names, int count, sgn_error *err);
void       sgn_inputs_free(sgn_inputs *in);
bool       sgn_input_is_jsonl(const char *path);       /* .jsonl or .ndjson, perhaps compressed */

#endif
