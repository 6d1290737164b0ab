/* spm_json.h - a SentencePiece model inside a tokenizer.json, so that one file travels with every run.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_SPM_JSON_H
#define SGN_DATA_SPM_JSON_H

#include <stdbool.h>
#include "core/json.h"
#include "data/spm.h"

bool       sgn_spm_in_json(const sgn_json *root);          /* model.type is "SentencePiece" */
sgn_status sgn_spm_from_json(sgn_vocabulary *v, const sgn_json *root, const char *path, sgn_error *err);
sgn_status sgn_spm_save_json(const sgn_vocabulary *v, const char *path, sgn_error *err);

#endif
