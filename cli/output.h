/* output.h - what several commands say or ask alike: JSON, sizes, signals, the model's tokenizer.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_CLI_OUTPUT_H
#define SGN_CLI_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/json.h"
#include "data/tokenizer.h"
#include "data/utf8.h"
#include "export/format.h"

/* One value on stdout, and a newline; j is taken. */
sgn_status  sgn_print_json(sgn_json *j, int indent, sgn_error *err);

/* "1.3 MiB" */
typedef struct { char s[24]; } sgn_size_text;
const char *sgn_size_print(uint64_t bytes, sgn_size_text *out);

/* From here on SIGINT and SIGTERM only set a flag; a second SIGINT kills. */
void        sgn_interrupt_catch(void);
bool        sgn_interrupted(void);

/* The words with spaces between, or standard input where there are none; malloc'd. */
sgn_status  sgn_words_or_input(int count, char **words, char **out, size_t *size, sgn_error *err);

/* `given` (an option, may be NULL), else the tokenizer.json of the model. */
sgn_status  sgn_model_tokenizer(const sgn_model_file *f, const char *given, sgn_tokenizer **t, sgn_error *err);

#endif
