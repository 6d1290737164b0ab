/* jinja.h - chat templates: the part of the Jinja language that they are written in, parsed and rendered.
 *
 * As Hugging Face's apply_chat_template does it: trim_blocks and lstrip_blocks on, loop controls, tojson
 * without HTML escapes, raise_exception and strftime_now known. What is not known is refused with its line and
 * column. A template comes from a download: depth, steps and memory of parsing and rendering are bounded.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_JINJA_H
#define SGN_DATA_JINJA_H

#include <stddef.h>
#include "core/json.h"
#include "core/status.h"

enum { SGN_JINJA_SOURCE = 256 << 10, SGN_JINJA_MEMORY = 64 << 20 };    /* bytes: of a template, of one rendering */

typedef struct sgn_jinja sgn_jinja;            /* immutable after parse: several threads may render it */

/* The text is copied; `where` names it in messages. */
sgn_status sgn_jinja_parse(sgn_jinja **out, const char *text, size_t size, const char *where, sgn_error *err);
/* `variables`: an object, by name. *out: malloc'd, NUL-terminated, *size bytes; it may hold any bytes. */
sgn_status sgn_jinja_render(const sgn_jinja *t, const sgn_json *variables, char **out, size_t *size, sgn_error *err);
void       sgn_jinja_close(sgn_jinja *t);

#endif
