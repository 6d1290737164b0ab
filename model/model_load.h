/* model_load.h - a model argument is a run, a checkpoint, a packed directory or a Hugging Face directory
 * alike, a directory with config.json and arrays by name; or a file that says its shape itself (.gguf,
 * llama2.c's .bin), or the directory of one. Below, `directory` may be such a file.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_MODEL_LOAD_H
#define SGN_MODEL_LOAD_H

#include "core/archive.h"
#include "core/file.h"
#include "model/transformer.h"

/* The directory that holds the arrays: a run's newest valid checkpoint, else `where` itself.
 * `what` names the setting in messages: "distill.teacher". */
sgn_status sgn_model_resolve(const char *where, const char *what, sgn_path *out, sgn_error *err);
/* The same without reading a checkpoint's arrays, valid or not: for its config alone. */
sgn_status sgn_model_find(const char *where, const char *what, sgn_path *out, sgn_error *err);

/* Config of a resolved directory: config.json, and where that has no words of ours, what the arrays
 * say is binary (model_infer.h). Without config.json what the archive says (archive_names.h), else the shape is that of
 * `like`; NULL: an error. */
sgn_status sgn_model_load_config(const char *directory, const sgn_model_config *like, sgn_model_config *c, sgn_error *err);

bool       sgn_model_has_config(const char *directory);          /* is there one, other than `like`? */

/* Fills a committed model's parameters by name from the directory's archives: an index with its
 * shards, else *.safetensors, else shard-*.h5, where NAME is "weights/NAME" and a large one comes in
 * pieces by first row, "weights/NAME@0", "weights/NAME@4096", ... Every parameter must be there with
 * its shape (but for dimensions of 1); the scales of a layer may be absent all together, then they
 * are derived from its weight; a tied head is not looked for. A packed directory has X.sign instead
 * of X.weight: latents become +-1. Values that are not finite are refused, a MANIFEST is verified
 * first. Then refreshes the signs. The config.json is not read. */
sgn_status sgn_model_load_weights(sgn_transformer *m, const char *directory, sgn_error *err);
sgn_status sgn_model_fill(sgn_transformer *m, const char *directory, sgn_error *err);      /* the same, whatever a MANIFEST says */

/* Between init and commit of a frozen model that is only run: dense matrices, embedding and head stay in the
 * directory's archives where these have them whole, can be mapped, and the type has a converter (`to_real` of
 * core/kernels). They are used as they lie, their files stay open as long as m. sgn_model_load_weights then
 * fills the rest; of the mapped it reads the head alone, and no digests of SGN_VERIFY_BELOW bytes and more.
 * What lowers or writes a model wants sgn_model_load. apart: so do matrices with terms of rank 1 in an adapter,
 * without these, which sgn_adapter_lower then adds. */
sgn_status sgn_model_map(sgn_transformer *m, const char *directory, bool apart, sgn_error *err);
/* SGN_NUMERIC, naming the first number that is not finite: of one parameter, of all that are mapped. */
sgn_status sgn_model_check_values(const sgn_param *p, const char *directory, sgn_error *err);
sgn_status sgn_model_check_mapped(const sgn_transformer *m, sgn_error *err);

/* For a model of full-precision layers that never is in memory as a whole, after init and without commit: its files are opened and stay
 * so as long as m; then any parameter is read, into room for its shape, with the checks and messages of sgn_model_load_weights. Of a
 * MANIFEST's files those below SGN_VERIFY_BELOW bytes are digested. */
sgn_status sgn_model_attach(sgn_transformer *m, const char *directory, sgn_error *err);
sgn_status sgn_model_read(const sgn_transformer *m, int index, sgn_real *out, sgn_error *err);

/* Both: init, commit and fill. */
sgn_status sgn_model_load(sgn_transformer *m, const char *where, bool train, sgn_error *err);

#endif
