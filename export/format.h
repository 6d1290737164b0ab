/* format.h - how a model leaves the house, and how it is opened to run. Rows: export/formats.def.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_EXPORT_FORMAT_H
#define SGN_EXPORT_FORMAT_H

#include "core/archive.h"
#include "core/digest.h"
#include "model/lowered_model.h"

typedef struct {
    const char *tokenizer;         /* path of a tokenizer.json to put beside it, NULL: none */
    const char *beside;            /* file beside which its tokenizer_config.json lies; NULL: beside the tokenizer */
    const sgn_meta *vocabulary;    /* (vocabulary_values) gguf: the lists of a tokenizer whose tokenizer.json has none; NULL: made of that */
    int         vocabulary_values;
    bool        latent;            /* hf: latents under FBI-LLM's names instead of dequantized weights */
    const char *type;              /* of the numbers, a word of the row's `types`; NULL: the first */
    const char *scales;            /* packed: type of the scales, "f32" or "f16"; NULL: f32 */
    const char *other_type;        /* gguf: of the embedding, the head and layers that are not of signs; NULL: `type`, f16 where that is for signs */
    bool        approximate;       /* gguf: what the type does not hold is rounded to it, not refused */
    uint64_t    shard_bytes;       /* hf: most bytes of one file; 0: 4 GiB */
    /* May be NULL. Looks at the finished directory before it gets its name; a failure undoes the export. */
    sgn_status (*check)(void *ctx, const char *directory, sgn_error *err);
    void       *ctx;
} sgn_export_options;

typedef struct {
    const char *name, *summary;    /* "packed" */
    const char *const *types;      /* words of sgn_export_options.type, NULL at the end; NULL: none */
    /* Writes into `directory`, which exists and is empty (the caller stages and commits it). */
    sgn_status (*write)(const char *directory, const sgn_transformer *m, const sgn_lowered_model *lm,
                        const sgn_export_options *o, sgn_error *err);
    /* A format that runs from the file; all NULL: its directories load as a transformer. */
    bool       (*recognise)(const sgn_json *config);                   /* config.json */
    sgn_status (*open)(const char *directory, const sgn_json *config, sgn_lowered_model *lm, void **state, sgn_error *err);
    void       (*close)(sgn_lowered_model *lm, void *state);           /* NULL state: fine */
} sgn_format;

const sgn_format *sgn_format_find(const char *name);
const sgn_format *sgn_format_at(int i);

/* Stages a directory, writes, adds a MANIFEST, checks, commits. */
sgn_status sgn_export(const char *format, const char *directory, const sgn_transformer *m,
                      const sgn_export_options *o, bool replace, sgn_error *err);

/* A model to run, from any model argument: packed directories are mapped and run in place; of others the dense matrices
 * are, where their files can be mapped, and the rest is loaded and lowered. A MANIFEST beside it is checked first. */
typedef struct sgn_model_file sgn_model_file;
sgn_status sgn_model_file_open(sgn_model_file **f, const char *where, sgn_verify verify, sgn_error *err);
void       sgn_model_file_close(sgn_model_file *f);
const sgn_lowered_model *sgn_model_file_lowered(const sgn_model_file *f);
const char *sgn_model_file_directory(const sgn_model_file *f);     /* the one that holds the arrays */
const char *sgn_model_file_tokenizer(const sgn_model_file *f);     /* path of its tokenizer.json, NULL: none */
const char *sgn_model_file_kind(const sgn_model_file *f);          /* "packed", "checkpoint", "hf", "gguf", "llama2c" */
uint64_t    sgn_model_file_bytes(const sgn_model_file *f);         /* of its array files on disk */

#endif
