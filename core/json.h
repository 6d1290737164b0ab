/* json.h - JSON read and written. The only file that knows jansson.
 * Refused: duplicate keys, depth over 64, files over the caller's limit, NaN and Infinity.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_CORE_JSON_H
#define SGN_CORE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/status.h"

typedef struct json_t sgn_json;        /* a borrowed or owned value; see each function */

/* Parse; `where` names the source in messages. Owned: sgn_json_free. */
sgn_status sgn_json_parse(sgn_json **out, const char *text, size_t size, const char *where, sgn_error *err);
sgn_status sgn_json_load(sgn_json **out, const char *path, size_t limit, sgn_error *err);
void       sgn_json_free(sgn_json *j);
/* Makes "WHERE: KEY: ..." of a message "WHERE: offset N: KEY: ...", N being where the text has "KEY"; it stands at `base` of
 * its file. Nothing where it does not. */
void       sgn_json_locate(sgn_error *err, const char *text, size_t size, uint64_t base, const char *where);

/* Reading. Borrowed values; NULL in, NULL/false/default out. */
typedef enum { SGN_JSON_NULL, SGN_JSON_BOOL, SGN_JSON_INT, SGN_JSON_REAL, SGN_JSON_STRING, SGN_JSON_ARRAY, SGN_JSON_OBJECT } sgn_json_type;
sgn_json_type sgn_json_typeof(const sgn_json *j);
sgn_json     *sgn_json_get(const sgn_json *object, const char *key);
sgn_json     *sgn_json_at(const sgn_json *array, size_t i);
size_t        sgn_json_size(const sgn_json *container);
const char   *sgn_json_string(const sgn_json *j, const char *otherwise);
/* The member, owned now; null stays in its place. NULL: none. */
sgn_json     *sgn_json_take(sgn_json *object, const char *key);
int64_t       sgn_json_int(const sgn_json *j, int64_t otherwise);
double        sgn_json_real(const sgn_json *j, double otherwise);        /* integers too */
bool          sgn_json_bool(const sgn_json *j, bool otherwise);
/* Pairs of an object in file order: for (it = iter(o); it; it = next(o, it)). */
void         *sgn_json_iter(const sgn_json *object);
void         *sgn_json_next(const sgn_json *object, void *iter);
const char   *sgn_json_iter_key(void *iter);
sgn_json     *sgn_json_iter_value(void *iter);

/* Writing. New values are owned until set/append takes them; NULL values (no memory)
 * make the container NULL-safe: sgn_json_dump then fails. */
sgn_json *sgn_json_new_object(void);
sgn_json *sgn_json_new_array(void);
sgn_json *sgn_json_new_string(const char *s);
sgn_json *sgn_json_new_string_n(const char *s, size_t n);
sgn_json *sgn_json_new_int(int64_t v);
sgn_json *sgn_json_new_real(double v);             /* not finite: null */
sgn_json *sgn_json_new_bool(bool v);
sgn_json *sgn_json_new_null(void);
void      sgn_json_set(sgn_json *object, const char *key, sgn_json *value);
void      sgn_json_append(sgn_json *array, sgn_json *value);
/* Text in malloc'd memory; indent 0 gives one line. Key order as set. */
sgn_status sgn_json_dump(const sgn_json *j, int indent, char **out, sgn_error *err);
sgn_status sgn_json_save(const sgn_json *j, int indent, const char *path, sgn_error *err);

#endif
