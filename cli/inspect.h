/* inspect.h - what `signum inspect` finds, as JSON: printed as it is, or as lines for people.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_CLI_INSPECT_H
#define SGN_CLI_INSPECT_H

#include "core/digest.h"
#include "core/json.h"
#include "model/model_config.h"

/* Appends the arrays of one archive file: name, dtype, shape, bytes; for signs and latents the share of +1; with
 * `stats` the least, the greatest and the mean number. config (may be NULL) says how wide the rows of planes are. */
sgn_status sgn_inspect_arrays(const char *file, const sgn_model_config *config, bool stats, sgn_json *list, sgn_error *err);
/* Texts attached to an archive under these keys (the last NULL), into `out`; those that it has. */
sgn_status sgn_inspect_notes(const char *file, const char *const *keys, sgn_json *out, sgn_error *err);
/* A cache of a teacher; `verifies` reads all of it. */
sgn_status sgn_inspect_cache(const char *directory, bool verifies, sgn_json *j, sgn_error *err);
/* Where the bits of a model are, as "bits" of j; and that for people. */
sgn_status sgn_inspect_bits(const char *path, sgn_verify verify, sgn_json *j, sgn_error *err);
void       sgn_inspect_print_bits(const sgn_json *bits);
/* For people: values as "key  value", lists of objects as rows. */
void       sgn_inspect_print(const sgn_json *object);

#endif
