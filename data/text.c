/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "data/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "core/file.h"
#include "data/jsonl.h"
#include "data/stream.h"
#include "data/text_inputs.h"
#include "data/utf8.h"

enum { PART = 256 << 10, LINE_LIMIT = 256 << 20, SEPARATOR_LIMIT = 4096 };

struct sgn_text {
    sgn_inputs  inputs;
    sgn_text_options options;
    size_t      separator_size;
    bool        blank_line;    /* the separator is a blank line */
    int         next;          /* input to open when the stream is done */
    sgn_stream *stream;        /* NULL: between files */
    bool        jsonl, inside; /* the file's format; a document has begun */
    uint64_t    line;          /* of a jsonl file: those handed out */
    uint64_t    read_before;   /* bytes of the files that are done */
    char       *buffer;
    size_t      room, at, have;/* buffer[at .. have) is not handed out yet */
    bool        ended;         /* the file has nothing behind the buffer */
    sgn_jsonl   lines;         /* of the buffer, being read */
};

/* --- files and the buffer ------------------------------------------------------------------------- */

sgn_status sgn_text_open(sgn_text **out, const char *const *inputs, int count, const sgn_text_options *o, sgn_error *err) {
    *out = NULL;
    if (o->separator && strlen(o->separator) > SEPARATOR_LIMIT)
        SGN_FAIL(err, SGN_CONFIG, "the document separator is longer than %d bytes", SEPARATOR_LIMIT);
    sgn_text *t = calloc(1, sizeof *t);
    if (t) *t = (sgn_text){ .options = *o, .room = PART, .buffer = malloc(PART) };
    const sgn_status s = t && t->buffer ? sgn_inputs_list(&t->inputs, inputs, count, err)
                                        : SGN_ERROR(err, SGN_NOMEM, "no memory to read text");
    if (s != SGN_OK) {
        sgn_text_close(t);
        return s;
    }
    t->blank_line = o->separator && strcmp(o->separator, "blank-line") == 0;
    t->separator_size = t->blank_line ? 2 : o->separator ? strlen(o->separator) : 0;
    *out = t;
    return SGN_OK;
}

void sgn_text_close(sgn_text *t) {
    if (!t) return;
    sgn_stream_close(t->stream);
    sgn_jsonl_free(&t->lines);
    sgn_inputs_free(&t->inputs);
    free(t->buffer);
    free(t);
}

uint64_t sgn_text_read_bytes(const sgn_text *t) {
    return t->read_before + (t->stream ? sgn_stream_position(t->stream) : 0);
}
uint64_t sgn_text_total_bytes(const sgn_text *t) { return t->inputs.bytes; }
int sgn_text_files(const sgn_text *t) { return t->inputs.count; }

const char *sgn_text_file(const sgn_text *t, int i) {
    const char *path = t->inputs.path[i];
    return strcmp(path, "-") == 0 ? "standard input" : path;
}

static const char *file_name(const sgn_text *t) { return sgn_text_file(t, t->next - 1); }

/* *more: a file is open and not read to its end. */
static sgn_status open_next(sgn_text *t, bool *more, sgn_error *err) {
    while (!t->stream || (t->ended && t->at == t->have && !t->inside)) {
        if (t->stream) t->read_before += sgn_stream_position(t->stream);
        sgn_stream_close(t->stream);
        t->stream = NULL;
        *more = t->next < t->inputs.count;
        if (!*more) return SGN_OK;
        const char *path = t->inputs.path[t->next++];
        SGN_TRY(sgn_stream_open(&t->stream, path, err));
        t->jsonl = t->options.format == SGN_TEXT_JSONL
                   || (t->options.format == SGN_TEXT_BY_NAME && sgn_input_is_jsonl(path));
        t->ended = false;
        t->at = t->have = 0;
        t->line = 0;
    }
    *more = true;
    return SGN_OK;
}

/* Moves what is left to the front and fills the buffer up to `room`. */
static sgn_status fill(sgn_text *t, size_t room, sgn_error *err) {
    memmove(t->buffer, t->buffer + t->at, t->have - t->at);
    t->have -= t->at;
    t->at = 0;
    const size_t want = room - t->have;
    size_t got;
    SGN_TRY(sgn_stream_read(t->stream, t->buffer + t->have, want, &got, err));
    t->have += got;
    t->ended = got < want;
    return SGN_OK;
}

/* --- plain text ------------------------------------------------------------------------------------ */

static bool is_newline(char c) { return c == '\n' || c == '\r'; }

/* A blank line: two line ends with nothing visible between them. */
static const char *find_blank_line(const char *from, const char *end, size_t *size) {
    while ((from = memchr(from, '\n', (size_t)(end - from))) != NULL) {
        const char *to = from + 1;
        while (to < end && (*to == ' ' || *to == '\t' || *to == '\r')) to++;
        *size = (size_t)(to + 1 - from);
        if (to < end && *to == '\n') return from;
        from = to;
    }
    return NULL;
}

static const char *find_separator(const sgn_text *t, size_t *size) {
    const char *from = t->buffer + t->at, *end = t->buffer + t->have;
    *size = t->separator_size;
    if (*size == 0) return NULL;
    if (t->blank_line) return find_blank_line(from, end, size);
    return memmem(from, (size_t)(end - from), t->options.separator, *size);
}

static bool is_space(uint32_t c) {     /* White_Space of Unicode beyond ASCII */
    return c == 0x85 || c == 0xA0 || c == 0x1680 || c == 0x180E || (c >= 0x2000 && c <= 0x200A) || c == 0x2028
           || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

/* The character that ends before text[i] is visible, for the word pattern: no white space. */
static bool visible_before(const char *text, size_t i) {
    const unsigned char last = (unsigned char)text[i - 1];
    if (last < 0x80) return last > ' ' && last < 0x7F;
    uint32_t c;
    for (size_t n = 2; n <= 4 && n <= i; n++)
        if (sgn_utf8_char(text + i - n, n, &c) == (int)n) return !is_space(c);
    return true;
}

static bool is_letter(char c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; }

/* A letter, or a character beyond ASCII that is no white space. */
static bool word_at(const char *text, size_t size) {
    uint32_t c;
    return is_letter(*text) || (sgn_utf8_char(text, size, &c) > 1 && !is_space(c));
}

/* Where to cut text[0 .. size) of a longer document: after `size`/2, as late as possible. A space before a letter,
 * or the letter after a single newline, begins a word in every known split pattern, so the ids stay the same. */
static size_t cut(const char *text, size_t size) {
    for (size_t i = size - 2; i > size / 2; i--) {
        if (text[i] == ' ' && is_letter(text[i + 1]) && visible_before(text, i)) return i;
        if (text[i - 1] == '\n' && word_at(text + i, size - i) && visible_before(text, i - 1)) return i;
    }
    size_t i = size - 4;               /* nothing but one word: between two characters */
    while (i > size - 8 && ((unsigned char)text[i] & 0xC0) == 0x80) i--;
    return i;
}

static void give(sgn_text *t, sgn_text_part *out, size_t size, size_t skip, bool last) {
    *out = (sgn_text_part){ .text = t->buffer + t->at, .size = size, .first = !t->inside, .last = last,
                            .file = file_name(t) };
    if (last && t->separator_size)
        while (out->size && is_newline(out->text[out->size - 1])) out->size--;
    t->at += size + skip;
    t->inside = !last;
}

/* A part, or nothing (out->first and out->last unset) where the file has no more. */
static sgn_status next_plain(sgn_text *t, sgn_text_part *out, sgn_error *err) {
    *out = (sgn_text_part){ 0 };
    for (bool shifted = false;; shifted = true) {
        if (!t->inside && t->separator_size)
            while (t->at < t->have && is_newline(t->buffer[t->at])) t->at++;
        size_t size;
        const char *found = find_separator(t, &size);
        if (found) {
            give(t, out, (size_t)(found - (t->buffer + t->at)), size, true);
            return SGN_OK;
        }
        if (t->ended) {
            if (t->inside || t->at < t->have) give(t, out, t->have - t->at, 0, true);
            return SGN_OK;
        }
        if (shifted && t->at == 0 && t->have == PART) {
            give(t, out, cut(t->buffer, t->have - t->separator_size), 0, false);   /* a separator may begin at the end */
            return SGN_OK;
        }
        SGN_TRY(fill(t, PART, err));
    }
}

/* --- jsonl ----------------------------------------------------------------------------------------- */

static uint64_t count_lines(const char *at, const char *end) {
    uint64_t n = 0;
    while ((at = memchr(at, '\n', (size_t)(end - at))) != NULL) at++, n++;
    return n;
}

/* The lines in the buffer that are whole, at least one; nothing at the end of the file. */
static sgn_status next_lines(sgn_text *t, sgn_text_part *out, sgn_error *err) {
    *out = (sgn_text_part){ 0 };
    for (;;) {
        const size_t left = t->have - t->at;
        const char *from = t->buffer + t->at, *newline = t->ended ? NULL : memrchr(from, '\n', left);
        if (newline || t->ended) {
            const size_t size = newline ? (size_t)(newline + 1 - from) : left;
            *out = (sgn_text_part){ .text = from, .size = size, .lines = true, .file = file_name(t), .line = t->line };
            t->line += count_lines(from, from + size);
            t->at += size;
            return SGN_OK;
        }
        const size_t want = 2 * left > PART ? 2 * left : PART;
        if (left >= LINE_LIMIT)
            SGN_FAIL(err, SGN_FORMAT, "%s: line %" PRIu64 " is longer than %d MiB; is it JSON with one object per line?",
                     file_name(t), t->line + 1, LINE_LIMIT >> 20);
        if (want > t->room) {
            char *grown = realloc(t->buffer, want);
            if (!grown) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for line %" PRIu64, file_name(t), t->line + 1);
            t->buffer = grown;
            t->room = want;
        }
        SGN_TRY(fill(t, want, err));
    }
}

sgn_status sgn_text_next_block(sgn_text *t, sgn_text_part *out, bool *more, sgn_error *err) {
    for (;;) {
        *out = (sgn_text_part){ 0 };
        SGN_TRY(open_next(t, more, err));
        if (!*more) return SGN_OK;
        SGN_TRY(t->jsonl ? next_lines(t, out, err) : next_plain(t, out, err));
        if (out->size || (out->last && !out->first)) return SGN_OK;
    }
}

sgn_status sgn_text_next(sgn_text *t, sgn_text_part *out, bool *more, sgn_error *err) {
    for (;;) {
        SGN_TRY(sgn_jsonl_next(&t->lines, out, more, err));
        if (*more) return SGN_OK;
        SGN_TRY(sgn_text_next_block(t, out, more, err));
        if (!*more || !out->lines) return SGN_OK;
        sgn_jsonl_begin(&t->lines, out->text, out->size, out->file, out->line, t->options.field);
    }
}
