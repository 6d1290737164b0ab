/* chat_template.h - messages to the text that a model was trained to answer, and what ends its answer.
 *
 * The template is the model's own (tokenizer_config.json, chat_template.jinja or a GGUF file's metadata), one of
 * ours by name, or a file.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_CHAT_TEMPLATE_H
#define SGN_DATA_CHAT_TEMPLATE_H

#include <stdbool.h>
#include "core/json.h"
#include "data/tokenizer.h"

typedef struct sgn_chat sgn_chat;

enum { SGN_CHAT_STOP_IDS = 16 };               /* at most */

/* `model`: a directory or file. `given`: NULL, the name of one of several templates that the model has, "chatml", "llama2",
 * "plain", or a file that holds a template. SGN_CONFIG where there is none. t must outlive it. */
sgn_status sgn_chat_open(sgn_chat **c, const char *model, const char *given, const sgn_tokenizer *t, sgn_error *err);
void       sgn_chat_close(sgn_chat *c);
const char *sgn_chat_name(const sgn_chat *c);              /* where the template is from, for messages */

/* messages: [{"role", "content"}, ...]; tools: a list or NULL; `answer`: up to where the model's answer begins.
 * Both stay the caller's. *out: malloc'd. */
sgn_status sgn_chat_render(const sgn_chat *c, sgn_json *messages, sgn_json *tools, bool answer, char **out, size_t *size, sgn_error *err);
/* The same as ids, appended; names of special tokens are those tokens. */
sgn_status sgn_chat_encode(const sgn_chat *c, sgn_json *messages, sgn_json *tools, sgn_ids *out, sgn_error *err);

/* Ids that end an answer, besides those that end a document: what the template puts behind an answer, and the model's
 * configured ones. */
const int32_t *sgn_chat_stop_ids(const sgn_chat *c, int *count);
/* The string that does where no special token stands there; NULL: none is needed. */
const char    *sgn_chat_stop(const sgn_chat *c);

#endif
