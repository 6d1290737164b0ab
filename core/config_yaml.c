/* Settings from YAML: one mapping, of settings and of sections of settings, nothing else of YAML.
 * Anchors, aliases, tags, merge keys and further documents are refused where they stand.
 *
 * SPDX-License-Identifier: MIT */
#include "core/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>
#include "core/file.h"

enum { LIMIT = 16 << 20, WHERE = 640, KEY = 128 };

typedef struct {
    yaml_parser_t      parser;
    yaml_event_t       event;  /* the current one; zeroed after deletion */
    const char        *source; /* what messages call the text */
    char               where[WHERE];        /* "source:line" of the current event */
    void              *config;
    const sgn_section *sections;
    const void       **seen;   /* sections and fields that were given */
    size_t             given;
    sgn_error         *err;
} reader;

#define REFUSE(...) SGN_FAIL(r->err, SGN_CONFIG, __VA_ARGS__)

static bool is_one_of(const char *word, const char *const *words) {
    while (*words && strcmp(word, *words) != 0) words++;
    return *words != NULL;
}

static bool is_null(const char *word) {
    return is_one_of(word, (const char *const[]){ "", "~", "null", "Null", "NULL", NULL });
}

bool sgn_config_implicit(const char *word) {
    static const char *const truths[] = { "y", "Y", "yes", "Yes", "YES", "n", "N", "no", "No", "NO", "true", "True",
        "TRUE", "false", "False", "FALSE", "on", "On", "ON", "off", "Off", "OFF", NULL };
    return is_null(word) || is_one_of(word, truths);
}

/* --- events ----------------------------------------------------------------------------------- */

static void set_where(reader *r, size_t line) { snprintf(r->where, sizeof r->where, "%s:%zu", r->source, line + 1); }

static sgn_status plain_only(reader *r, const yaml_char_t *anchor, const yaml_char_t *tag) {
    if (anchor) REFUSE("%s: anchors (&%s) are not supported; write the value out", r->where, (const char *)anchor);
    if (tag) REFUSE("%s: tags (%s) are not supported; write the plain value", r->where, (const char *)tag);
    return SGN_OK;
}

static sgn_status next(reader *r) {
    yaml_event_delete(&r->event);
    if (!yaml_parser_parse(&r->parser, &r->event)) {
        memset(&r->event, 0, sizeof r->event);
        set_where(r, r->parser.problem_mark.line);
        if (r->parser.error == YAML_MEMORY_ERROR) SGN_FAIL(r->err, SGN_NOMEM, "%s: no memory to read it", r->where);
        if (r->parser.error == YAML_READER_ERROR)
            REFUSE("%s: offset %zu: %s; plain UTF-8 text is expected", r->source, r->parser.problem_offset, r->parser.problem);
        REFUSE("%s: this is not YAML: %s", r->where, r->parser.problem ? r->parser.problem : "unknown error");
    }
    set_where(r, r->event.start_mark.line);
    switch (r->event.type) {
        case YAML_ALIAS_EVENT:
            REFUSE("%s: aliases (*%s) are not supported; write the value out", r->where, (const char *)r->event.data.alias.anchor);
        case YAML_SCALAR_EVENT:
            return plain_only(r, r->event.data.scalar.anchor, r->event.data.scalar.tag);
        case YAML_SEQUENCE_START_EVENT:
            return plain_only(r, r->event.data.sequence_start.anchor, r->event.data.sequence_start.tag);
        case YAML_MAPPING_START_EVENT:
            return plain_only(r, r->event.data.mapping_start.anchor, r->event.data.mapping_start.tag);
        default:
            return SGN_OK;
    }
}

static const char *scalar(const reader *r) { return (const char *)r->event.data.scalar.value; }

static sgn_status check_no_nul(reader *r, const char *key) {
    if (strlen(scalar(r)) != r->event.data.scalar.length) REFUSE("%s: %s: the text has a NUL character in it", r->where, key);
    return SGN_OK;
}

/* --- values ----------------------------------------------------------------------------------- */

/* Text may not look like a truth value or null; numbers may not be quoted. */
static sgn_status check_style(reader *r, const char *key, sgn_field_type type) {
    const bool text = type == SGN_FIELD_TEXT || type == SGN_FIELD_LIST, plain = r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (plain && is_null(scalar(r))) REFUSE("%s: %s: a value is missing; leave the key out to get the default", r->where, key);
    if (plain && text && sgn_config_implicit(scalar(r)))
        REFUSE("%s: %s: \"%s\" is a truth value in YAML; put it in quotes if text is meant", r->where, key, scalar(r));
    if (!plain && !text && type != SGN_FIELD_CHOICE)
        REFUSE("%s: %s: \"%s\" is text in quotes; write the bare value", r->where, key, scalar(r));
    return SGN_OK;
}

/* A sequence of scalars becomes "a,b,c". */
static sgn_status read_list(reader *r, const char *key, size_t room, char *list) {
    size_t used = 0;
    for (int n = 0;; n++) {
        SGN_TRY(next(r));
        if (r->event.type == YAML_SEQUENCE_END_EVENT) break;
        if (r->event.type != YAML_SCALAR_EVENT) REFUSE("%s: %s: the list may hold single values only", r->where, key);
        SGN_TRY(check_no_nul(r, key));
        SGN_TRY(check_style(r, key, SGN_FIELD_TEXT));
        if (strchr(scalar(r), ',')) REFUSE("%s: %s: \"%.60s\" has a comma, which separates the items of a list", r->where, key, scalar(r));
        const int m = snprintf(list + used, room - used, "%s%s", n ? "," : "", scalar(r));
        if (m < 0 || (size_t)m >= room - used) REFUSE("%s: %s: the list is longer than %zu characters", r->where, key, room - 1);
        used += (size_t)m;
    }
    list[used] = '\0';
    return SGN_OK;
}

static sgn_status read_value(reader *r, const char *key, const sgn_field *f) {
    if (r->event.type == YAML_MAPPING_START_EVENT)
        REFUSE("%s: %s: %s", r->where, key, f ? "a single value is expected, not a mapping" : "unknown section");
    if (r->event.type == YAML_SEQUENCE_START_EVENT) {
        char list[SGN_LIST_TEXT] = "", where[WHERE];
        if (f && f->type != SGN_FIELD_TEXT && f->type != SGN_FIELD_LIST) REFUSE("%s: %s: a single value is expected, not a list", r->where, key);
        memcpy(where, r->where, sizeof where);
        if (f) SGN_TRY(read_list(r, key, sgn_field_room(f->type), list));
        return sgn_config_set(r->config, r->sections, key, list, where, r->err);
    }
    SGN_TRY(check_no_nul(r, key));
    if (f) SGN_TRY(check_style(r, key, f->type));
    return sgn_config_set(r->config, r->sections, key, scalar(r), r->where, r->err);
}

/* --- mappings --------------------------------------------------------------------------------- */

/* Notes that a section or field was given. */
static sgn_status mark(reader *r, const void *row, const char *key) {
    for (size_t i = 0; i < r->given; i++)
        if (r->seen[i] == row) REFUSE("%s: %s: is given twice", r->where, key);
    r->seen[r->given++] = row;
    return SGN_OK;
}

static sgn_status read_key(reader *r, const sgn_section *in, char *key) {
    if (r->event.type != YAML_SCALAR_EVENT) REFUSE("%s: a mapping or list cannot be a key", r->where);
    SGN_TRY(check_no_nul(r, "a key"));
    if (strcmp(scalar(r), "<<") == 0) REFUSE("%s: merge keys (<<) are not supported; write the settings out", r->where);
    if (strlen(scalar(r)) >= KEY / 2 || strchr(scalar(r), '.') || !*scalar(r))
        REFUSE("%s: \"%.60s\" is not a key; settings of a section stand under its name", r->where, scalar(r));
    snprintf(key, KEY, "%s%s%s", in ? in->name : "", in ? "." : "", scalar(r));
    return SGN_OK;
}

static const sgn_section *section_named(const sgn_section *s, const char *name) {
    while (s->name && (!*s->name || strcmp(s->name, name) != 0)) s++;
    return s->name ? s : NULL;
}

/* The pairs of the current mapping: the whole file (in NULL) or one section. */
static sgn_status read_mapping(reader *r, const sgn_section *in) {
    for (;;) {
        char key[KEY];
        SGN_TRY(next(r));
        if (r->event.type == YAML_MAPPING_END_EVENT) return SGN_OK;
        SGN_TRY(read_key(r, in, key));
        const sgn_field *f = sgn_config_find(r->sections, key, NULL);
        const sgn_section *section = in ? NULL : section_named(r->sections, key);
        if (f || section) SGN_TRY(mark(r, f ? (const void *)f : section, key));
        else return sgn_config_set(r->config, r->sections, key, "", r->where, r->err);     /* which says what is near */
        SGN_TRY(next(r));
        if (section && r->event.type == YAML_MAPPING_START_EVENT) SGN_TRY(read_mapping(r, section));
        else SGN_TRY(read_value(r, key, f));
    }
}

static sgn_status read_stream(reader *r) {
    SGN_TRY(next(r));                               /* stream start */
    SGN_TRY(next(r));
    if (r->event.type == YAML_STREAM_END_EVENT) return SGN_OK;      /* nothing but comments */
    SGN_TRY(next(r));
    if (r->event.type != YAML_MAPPING_START_EVENT) REFUSE("%s: sections such as \"model:\" are expected", r->where);
    SGN_TRY(read_mapping(r, NULL));
    SGN_TRY(next(r));                               /* document end */
    SGN_TRY(next(r));
    if (r->event.type != YAML_STREAM_END_EVENT) REFUSE("%s: a second document begins; one is expected", r->where);
    return SGN_OK;
}

/* --- text ------------------------------------------------------------------------------------- */

static sgn_status check_text(const char *text, size_t size, const char *where, sgn_error *err) {
    if (size > LIMIT) SGN_FAIL(err, SGN_CONFIG, "%s: %zu bytes, but settings have at most %d", where, size, LIMIT);
    if ((size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) ||
        (size >= 2 && (memcmp(text, "\xFF\xFE", 2) == 0 || memcmp(text, "\xFE\xFF", 2) == 0)))
        SGN_FAIL(err, SGN_CONFIG, "%s: starts with a byte order mark; save it as plain UTF-8", where);
    size_t line = 1;
    bool indent = true;
    for (size_t i = 0; i < size; i++) {
        if (indent && text[i] == '\t') SGN_FAIL(err, SGN_CONFIG, "%s:%zu: indented with a tab; use spaces", where, line);
        indent = text[i] == '\n' || (indent && text[i] == ' ');
        line += text[i] == '\n';
    }
    return SGN_OK;
}

static size_t count_rows(const sgn_section *sections) {
    size_t n = 0;
    for (const sgn_section *s = sections; s->name; s++, n++)
        for (const sgn_field *f = s->fields; f->key; f++) n++;
    return n;
}

sgn_status sgn_config_parse(void *config, const sgn_section *sections, const char *text, size_t size,
                            const char *where, sgn_error *err) {
    SGN_TRY(check_text(text, size, where, err));
    reader r = { .source = where, .config = config, .sections = sections, .err = err };
    r.seen = calloc(count_rows(sections) + 1, sizeof *r.seen);
    if (!r.seen || !yaml_parser_initialize(&r.parser)) {
        free(r.seen);
        SGN_FAIL(err, SGN_NOMEM, "%s: no memory to read it", where);
    }
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, size);
    const sgn_status s = read_stream(&r);
    yaml_event_delete(&r.event);
    yaml_parser_delete(&r.parser);
    free(r.seen);
    return s;
}

sgn_status sgn_config_load(void *config, const sgn_section *sections, const char *path, sgn_error *err) {
    char *text;
    size_t size;
    SGN_TRY(sgn_file_read(path, LIMIT, &text, &size, err));
    const sgn_status s = sgn_config_parse(config, sections, text, size, path, err);
    free(text);
    return s;
}
