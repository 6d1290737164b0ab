/* model_digest.h - one digest of what a model argument holds, to notice another model in its place.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_MODEL_DIGEST_H
#define SGN_MODEL_DIGEST_H

#include <stdbool.h>
#include "core/digest.h"

/* `where` is resolved (model_load.h): of a MANIFEST, which stands for all files of its directory; else of configuration
 * and weight files, or of the one file. `sample`: large files by sgn_digest_sample, else whole. */
sgn_status sgn_model_digest(const char *where, bool sample, sgn_digest *out, sgn_error *err);

#endif
