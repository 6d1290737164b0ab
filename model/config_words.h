/* config_words.h - reading the words of a config.json one by one, and refusing those that nobody read.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_MODEL_CONFIG_WORDS_H
#define SGN_MODEL_CONFIG_WORDS_H

#include "model/model_config.h"

enum { SGN_WORDS = 64 };

typedef struct {
    const sgn_json *object;
    const char     *where;             /* the file, for messages */
    const char     *under;             /* "rope_scaling." before the keys in messages, or "" */
    const char     *read[SGN_WORDS];   /* keys that were asked for */
    int             count;
} sgn_words;

/* Each marks the key as read; absent or null leaves *out as it is, or is refused where `needed`. */
sgn_status sgn_words_int(sgn_words *w, const char *key, bool needed, int64_t *out, sgn_error *err);
sgn_status sgn_words_real(sgn_words *w, const char *key, double *out, sgn_error *err);
sgn_status sgn_words_bool(sgn_words *w, const char *key, bool *out, sgn_error *err);
sgn_status sgn_words_text(sgn_words *w, const char *key, const char **out, sgn_error *err);
const sgn_json *sgn_words_get(sgn_words *w, const char *key);          /* NULL: absent or null */
/* SGN_UNSUPPORTED naming the key and its value. `only`: "only 'silu' is known", or NULL. */
sgn_status sgn_words_refuse(const sgn_words *w, const char *key, const char *only, sgn_error *err);
/* Everything that was not read must be known to change nothing, or say so: null, false, empty. */
sgn_status sgn_words_end(const sgn_words *w, sgn_error *err);

/* Readers and writers of the families; `type` is a word of model_type. */
sgn_status sgn_config_read_llama(sgn_model_config *c, const char *type, sgn_words *w, sgn_error *err);
sgn_status sgn_config_read_gpt2(sgn_model_config *c, const char *type, sgn_words *w, sgn_error *err);
void       sgn_config_write_llama(const sgn_model_config *c, sgn_json *j);
void       sgn_config_write_gpt2(const sgn_model_config *c, sgn_json *j);

#endif
