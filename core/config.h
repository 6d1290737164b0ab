/* config.h - settings as tables: a setting is a row, everything else is a loop.
 *
 * A preset is YAML with one mapping per section. Order: defaults < file < key=value
 * on the command line. An unknown key is an error that names the nearest known one.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_CORE_CONFIG_H
#define SGN_CORE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/status.h"

enum { SGN_TEXT = 512, SGN_LIST_TEXT = 4096 };     /* chars of a text setting, of a list */

typedef enum {
    SGN_FIELD_INT,             /* int64_t */
    SGN_FIELD_REAL,            /* double */
    SGN_FIELD_BOOL,            /* bool */
    SGN_FIELD_TEXT,            /* char[SGN_TEXT]; a list [a, b] is kept as "a,b" */
    SGN_FIELD_CHOICE,          /* char[SGN_TEXT], one of `choices` ("a|b|c") */
    SGN_FIELD_LIST             /* char[SGN_LIST_TEXT], as TEXT but longer */
} sgn_field_type;

static inline size_t sgn_field_room(sgn_field_type t) { return t == SGN_FIELD_LIST ? SGN_LIST_TEXT : SGN_TEXT; }

typedef struct {
    const char    *key;        /* within its section: "dim" */
    sgn_field_type type;
    size_t         offset;     /* in the section's struct */
    double         min, max;   /* INT, REAL: inclusive; 0, 0: any */
    const char    *choices;    /* CHOICE: "a|b|c" */
    const char    *otherwise;  /* the default as text: "256", "3e-4", "true", "", "[a, b]" */
    const char    *help;       /* one sentence */
} sgn_field;

typedef struct {
    const char      *name;     /* "model"; "" for keys at the top level */
    const sgn_field *fields;   /* ends with key NULL */
    size_t           offset;   /* of the section's struct in the whole */
} sgn_section;

/* `config` is the struct that sections point into; `sections` ends with name NULL. */
void       sgn_config_defaults(void *config, const sgn_section *sections);
/* The row of a dotted key, NULL if there is none; its section in *section (may be NULL). */
const sgn_field *sgn_config_find(const sgn_section *sections, const char *key, const sgn_section **section);
/* One setting by its dotted key: "model.dim", "256". `where` names the source. */
sgn_status sgn_config_set(void *config, const sgn_section *sections, const char *key, const char *value,
                          const char *where, sgn_error *err);
/* "model.dim=256" */
sgn_status sgn_config_override(void *config, const sgn_section *sections, const char *assignment, sgn_error *err);
sgn_status sgn_config_load(void *config, const sgn_section *sections, const char *path, sgn_error *err);   /* YAML */
sgn_status sgn_config_parse(void *config, const sgn_section *sections, const char *text, size_t size,
                            const char *where, sgn_error *err);
/* The resolved settings as YAML that loads back to the same; malloc'd. help: with comments. */
sgn_status sgn_config_dump(const void *config, const sgn_section *sections, bool help, char **out, sgn_error *err);
/* A Markdown table per section, for docs/config.md; malloc'd. */
sgn_status sgn_config_document(const sgn_section *sections, char **out, sgn_error *err);

/* Does YAML 1.1 take this bare word for a truth value or null? */
bool sgn_config_implicit(const char *word);
/* The known word that begins with `word`, else the nearest (edit distance); NULL if none is near. */
const char *sgn_nearest(const char *word, const char *const *known, int count);

#endif
