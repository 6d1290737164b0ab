/* SPDX-License-Identifier: MIT */
#include "text_files.h"
#include <fcntl.h>
#include <sys/stat.h>
#include "core/rng.h"
#include "data/pretokenize.h"
#include "data/scan.h"
#include "data/text.h"

enum { MIB = 1 << 20, PART = 256 << 10 };

typedef struct {
    char  *text;               /* documents, joined */
    size_t size, documents, parts, ids;
    size_t end[64];            /* of the first documents */
    int32_t id[64];
} reading;

static sgn_status read_all(reading *r, const char *const *inputs, int count, sgn_text_options o, sgn_error *err) {
    sgn_text *t;
    *r = (reading){ 0 };
    SGN_TRY(sgn_text_open(&t, inputs, count, &o, err));
    bool more = true, inside = false;
    sgn_status s;
    for (sgn_text_part p; (s = sgn_text_next(t, &p, &more, err)) == SGN_OK && more; r->parts++) {
        assert_int_equal(p.first, !inside);
        assert_true(p.size <= PART || p.line);
        r->text = realloc(r->text, r->size + p.size + 1);
        if (p.size) memcpy(r->text + r->size, p.text, p.size);
        r->size += p.size;
        r->text[r->size] = '\0';
        for (size_t i = 0; i < p.count && r->ids < 64; i++) r->id[r->ids++] = p.ids[i];
        inside = !p.last;
        if (p.last && r->documents < 64) r->end[r->documents] = r->size;
        r->documents += p.last;
    }
    assert_true(s != SGN_OK || !inside);
    if (s == SGN_OK && sgn_text_total_bytes(t)) assert_int_equal(sgn_text_read_bytes(t), sgn_text_total_bytes(t));
    sgn_text_close(t);
    return s;
}

/* The documents of one file are `want`, "|" between them. */
static void check_documents(const char *path, const char *separator, const char *want) {
    sgn_error err;
    reading r;
    char got[1024] = "";
    check_ok(read_all(&r, &path, 1, (sgn_text_options){ .separator = separator }, &err), &err);
    for (size_t d = 0, at = 0; d < r.documents; at = r.end[d++]) {
        if (d) strcat(got, "|");
        strncat(got, r.text + at, r.end[d] - at);
    }
    assert_string_equal(got, want);
    free(r.text);
}

static void separators(void **state) {
    (void)state;
    check_documents(put_text("a.txt", "one\n\ntwo\n"), NULL, "one\n\ntwo\n");
    check_documents(put_text("a.txt", "one\n\ntwo\nlines\n\n\n\nthree\n"), "blank-line", "one|two\nlines|three");
    check_documents(put_text("a.txt", "one\r\n\r\ntwo\n  \t\nthree"), "blank-line", "one|two|three");
    check_documents(put_text("a.txt", "\n\none<|endoftext|>\ntwo\n<|endoftext|><|endoftext|>\n"), "<|endoftext|>", "one|two");
    check_documents(put_text("a.txt", ""), NULL, "");
    check_documents(put_text("a.txt", "\n\n\n"), "blank-line", "");
    check_documents(put_text("a.txt", "\n\n\n"), NULL, "\n\n\n");
    check_documents(put_bytes("a.txt", "\xFF\0\xC3", 2), NULL, "\xFF");        /* a NUL is a byte like others */
}

/* A separator is found wherever the 256 KiB window of the reader ends in it. */
static void separators_across_windows(void **state) {
    (void)state;
    sgn_error err;
    char *text = malloc(2 * MIB);
    for (size_t at = PART - 20; at <= PART + 20; at++) {
        memset(text, 'x', 2 * MIB);
        for (size_t i = 7; i < 2 * MIB; i += 8) text[i] = ' ';
        memcpy(text + at, "<|a b|>", 7);
        const char *path = put_bytes("b.txt", text, 2 * MIB - 100);
        reading r;
        check_ok(read_all(&r, &path, 1, (sgn_text_options){ .separator = "<|a b|>" }, &err), &err);
        assert_int_equal(r.documents, 2);
        assert_int_equal(r.end[0], at);
        assert_int_equal(r.size, 2 * MIB - 107);
        free(r.text);
    }
    free(text);
}

static void check_text_next(sgn_text *t, sgn_text_part *p, bool *more) {
    sgn_error err;
    check_ok(sgn_text_next(t, p, more, &err), &err);
}

/* The words of the parts are the words of the whole. */
static void cuts_between_words(void **state) {
    (void)state;
    sgn_error err;
    const size_t size = 3 * MIB + 12345;
    char *text = malloc(size);
    static const char *const bits[] = { "word", " ", "\n", "  ", "7", "'s", "\xC3\xA9", "\xE3\x80\x80", "\xE4\xB8\xAD", "!", " \n", "\xFF" };
    size_t n = 0;
    for (uint64_t i = 0; n < size - 8; i++) {
        const char *b = bits[sgn_rng_bits(1, 1, i) % 12];
        memcpy(text + n, b, strlen(b));
        n += strlen(b);
    }
    const char *path = put_bytes("c.txt", text, n);
    const sgn_known_split *split;
    for (int k = 0; (split = sgn_known_split_at(k)) != NULL; k++) {
        sgn_text *t;
        sgn_splitter *whole, *cut;
        check_ok(sgn_splitter_open(&whole, split->pattern, &err), &err);
        check_ok(sgn_splitter_open(&cut, split->pattern, &err), &err);
        check_ok(sgn_text_open(&t, &path, 1, &(sgn_text_options){ 0 }, &err), &err);
        sgn_splitter_begin(whole, text, n);
        sgn_text_part p;
        bool more;
        size_t parts = 0, a, b;
        const char *x, *y;
        for (; check_text_next(t, &p, &more), more; parts++) {
            sgn_splitter_begin(cut, p.text, p.size);
            while (sgn_splitter_next(cut, &x, &a)) {
                assert_true(sgn_splitter_next(whole, &y, &b));
                assert_int_equal(a, b);
                assert_memory_equal(x, y, a);
            }
        }
        assert_false(sgn_splitter_next(whole, &y, &b));
        assert_true(parts >= 4);
        sgn_splitter_close(whole);
        sgn_splitter_close(cut);
        sgn_text_close(t);
    }
    free(text);
}

/* Without any white space the cut falls between characters. */
static void cuts_between_characters(void **state) {
    (void)state;
    sgn_error err;
    char *text = malloc(3 * MIB);
    for (size_t i = 0; i < 3 * MIB; i++) text[i] = "\xE4\xB8\xAD"[i % 3];
    const char *path = put_bytes("d.txt", text, 3 * MIB);
    sgn_text *t;
    sgn_text_part p;
    bool more;
    size_t size = 0;
    check_ok(sgn_text_open(&t, &path, 1, &(sgn_text_options){ 0 }, &err), &err);
    while (check_text_next(t, &p, &more), more) {
        assert_int_equal(p.size % 3, 0);
        size += p.size;
    }
    assert_int_equal(size, 3 * MIB);
    sgn_text_close(t);
    free(text);
}

static void jsonl(void **state) {
    (void)state;
    sgn_error err;
    reading r;
    const char *path = put_text("a.jsonl", "{\"text\": \"one\\n\"}\n\n{\"text\": \"\"}\r\n{\"text\": \"zw\\u00f6lf\", \"x\": 1}");
    check_ok(read_all(&r, &path, 1, (sgn_text_options){ 0 }, &err), &err);
    assert_int_equal(r.documents, 2);
    assert_string_equal(r.text, "one\nzw\xC3\xB6lf");
    free(r.text);
    path = put_text("b.ndjson", "{\"content\": \"c\"}");
    check_ok(read_all(&r, &path, 1, (sgn_text_options){ .field = "content" }, &err), &err);
    assert_string_equal(r.text, "c");
    free(r.text);
    path = put_text("ids.jsonl", "{\"token_ids\": [1, 2, 3]}\n{\"token_ids\": [70000]}\n");
    check_ok(read_all(&r, &path, 1, (sgn_text_options){ 0 }, &err), &err);
    assert_int_equal(r.documents, 2);
    assert_int_equal(r.ids, 4);
    assert_int_equal(r.id[2], 3);
    assert_int_equal(r.id[3], 70000);
    free(r.text);
}

static void long_json_lines(void **state) {
    (void)state;
    sgn_error err;
    reading r;
    char *text = malloc(3 * MIB);
    memset(text, 'y', 3 * MIB);
    memcpy(text, "{\"text\": \"", 10);
    memcpy(text + 3 * MIB - 3, "\"}\n", 3);
    const char *path = put_bytes("long.jsonl", text, 3 * MIB);
    check_ok(read_all(&r, &path, 1, (sgn_text_options){ 0 }, &err), &err);
    assert_int_equal(r.documents, 1);
    assert_int_equal(r.size, 3 * MIB - 13);
    free(r.text);
    free(text);
}

static void check_jsonl_refused(const char *text, const char *mention) {
    sgn_error err;
    reading r;
    const char *path = put_text("bad.jsonl", text);
    check_fails(read_all(&r, &path, 1, (sgn_text_options){ 0 }, &err), SGN_FORMAT, &err, mention);
    if (!strstr(err.text, "bad.jsonl: line 2")) fail_msg("\"%s\" does not name file and line", err.text);
    free(r.text);
}

static void bad_jsonl_is_refused(void **state) {
    (void)state;
    check_jsonl_refused("{\"text\": \"a\"}\nplain words\n", "bad.jsonl");
    check_jsonl_refused("{\"text\": \"a\"}\n{\"text\": \"cut", "bad.jsonl");
    check_jsonl_refused("{\"text\": \"a\"}\n{\"body\": \"b\"}\n", "no text in field \"text\"");
    check_jsonl_refused("{\"text\": \"a\"}\n{\"text\": 7}\n", "no text in field \"text\"");
    check_jsonl_refused("{\"text\": \"a\"}\n[1, 2]\n", "no text in field");
    check_jsonl_refused("{\"text\": \"a\"}\n{\"token_ids\": [1, -2]}\n", "element 1 is not a token id");
    check_jsonl_refused("{\"text\": \"a\"}\n{\"token_ids\": [1, 3000000000]}\n", "element 1 is not a token id");
    check_jsonl_refused("{\"text\": \"a\"}\n{\"token_ids\": [\"1\"]}\n", "element 0 is not a token id");
    check_jsonl_refused("{\"text\": \"a\"}\n{\"text\": \"\xFF\"}\n", "bad.jsonl");
}

/* --- compressed ------------------------------------------------------------------------------------ */

static void compressed_text(void **state) {
    (void)state;
    sgn_error err;
    static unsigned char packed[MIB];
    char *text = malloc(2 * MIB);
    for (size_t i = 0; i < 2 * MIB; i++) text[i] = i % 11 ? (char)('a' + sgn_rng_bits(5, 5, i / 100) % 26) : ' ';
    for (int kind = 0; kind < 2; kind++) {         /* two members or frames in a row are one text */
        size_t n = 0;
        for (int half = 0; half < 2; half++)
            n += (kind ? zstd_bytes : gzip_bytes)(text + half * MIB, MIB, packed + n, sizeof packed - n);
        const char *path = put_bytes(kind ? "t.txt.zst" : "t.txt.gz", packed, n);
        reading r;
        check_ok(read_all(&r, &path, 1, (sgn_text_options){ 0 }, &err), &err);
        assert_int_equal(r.documents, 1);
        assert_int_equal(r.size, 2 * MIB);
        assert_memory_equal(r.text, text, 2 * MIB);
        free(r.text);
        for (size_t k = 1; k <= 40; k++) {         /* cut anywhere */
            path = put_bytes(kind ? "t.txt.zst" : "t.txt.gz", packed, n * k / 41 == n / 2 ? n / 2 + 1 : n * k / 41);
            check_fails(read_all(&r, &path, 1, (sgn_text_options){ 0 }, &err), SGN_FORMAT, &err, "t.txt.");
            free(r.text);
        }
        packed[n / 4] ^= 0x10;                     /* damaged */
        path = put_bytes(kind ? "t.txt.zst" : "t.txt.gz", packed, n);
        if (kind == 0) check_fails(read_all(&r, &path, 1, (sgn_text_options){ 0 }, &err), SGN_FORMAT, &err, "gzip");
        if (kind == 0) free(r.text);
    }
    free(text);
}

static void compressed_jsonl(void **state) {
    (void)state;
    sgn_error err;
    static const char lines[] = "{\"text\": \"one\"}\n{\"text\": \"two\"}\n";
    unsigned char packed[256];
    reading r;
    const char *path = put_bytes("j.jsonl.gz", packed, gzip_bytes(lines, sizeof lines - 1, packed, sizeof packed));
    check_ok(read_all(&r, &path, 1, (sgn_text_options){ 0 }, &err), &err);
    assert_int_equal(r.documents, 2);
    free(r.text);
    path = put_bytes("j.jsonl.zst", packed, zstd_bytes(lines, sizeof lines - 1, packed, sizeof packed));
    check_ok(read_all(&r, &path, 1, (sgn_text_options){ 0 }, &err), &err);
    assert_int_equal(r.documents, 2);
    free(r.text);
    path = put_text("plain.txt.zst", "not compressed at all");
    check_fails(read_all(&r, &path, 1, (sgn_text_options){ 0 }, &err), SGN_FORMAT, &err, "does not begin like a .zst file");
}

/* --- damaged ------------------------------------------------------------------------------------------ */

static const char lines_text[] = "{\"text\": \"one\"}\n{\"text\": \"two\"}\n";

typedef struct { const char *name; size_t at; unsigned char xor; long grow; const char *more, *mention; } damage;

/* Each changes one byte (from the end where `at` is 1000 or more), or cuts or appends. */
static void damaged_archives_are_refused(void **state) {
    (void)state;
    static const damage cases[] = {
        { "x.gz", 0, 1, 0, "", "does not begin like a .gz file" },
        { "x.gz", 2, 1, 0, "", "after byte 0: damaged gzip data: unknown compression method" },
        { "x.gz", 3, 0xE0, 0, "", "unknown header flags" },
        { "x.gz", 1005, 1, 0, "", "incorrect data check" },
        { "x.gz", 1001, 1, 0, "", "incorrect length check" },
        { "x.gz", 0, 0, -1, "", "cut off or damaged before byte" },
        { "x.gz", 0, 0, -9, "", "cut off or damaged before byte" },
        { "x.gz", 0, 0, 0, "more", "incorrect header check" },
        { "x.zst", 0, 1, 0, "", "does not begin like a .zst file" },
        { "x.zst", 4, 8, 0, "", "after byte 0: damaged zstd data: Unsupported frame parameter" },       /* reserved bit */
        { "x.zst", 1001, 1, 0, "", "after byte 0: damaged zstd data" },
        { "x.zst", 0, 0, -1, "", "cut off or damaged before byte" },
        { "x.zst", 0, 0, -5, "", "cut off or damaged before byte" },
        { "x.zst", 0, 0, 0, "more", "Unknown frame descriptor" },
        { "x.zst", 0, 0, 0, "\x50\x2A\x4D\x18\xFF\xFF\xFF\x0F""abc", "cut off or damaged before byte" }, /* skippable: 256 MiB claimed */
        { "x.zst", 0, 0, 0, "\x28\xB5\x2F\xFD\x01\x58\x07\x01\x01\x01", "Dictionary mismatch" },
        { "x.zst", 0, 0, 0, "\x28\xB5\x2F\xFD\x04\xA8\x01\x01\x01\x01", "Frame requires too much memory" }, /* window of 2 GiB */
    };
    unsigned char whole[2][200];
    const size_t size[2] = { gzip_bytes(lines_text, strlen(lines_text), whole[0], 200), zstd_bytes(lines_text, strlen(lines_text), whole[1], 200) };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const damage *c = &cases[i];
        const int z = c->name[2] == 'z';
        unsigned char file[300];
        size_t more = strlen(c->more);
        if (more && c->more[more - 1] == '\x01') more = 10;        /* of those with a NUL */
        memcpy(file, whole[z], size[z]);
        file[c->at >= 1000 ? size[z] - (c->at - 1000) : c->at] ^= c->xor;
        memcpy(file + size[z], c->more, more);
        const char *path = put_bytes(c->name, file, (size_t)((long)(size[z] + more) + c->grow));
        sgn_error err = { 0 };
        reading r;
        const sgn_status s = read_all(&r, &path, 1, (sgn_text_options){ .format = SGN_TEXT_JSONL }, &err);
        free(r.text);
        if (s != SGN_FORMAT || !strstr(err.text, c->mention) || !strstr(err.text, c->name))
            fail_msg("case %zu: status %d, \"%s\" does not mention \"%s\"", i, s, err.text, c->mention);
    }
}

static void empty_frames_are_nothing(void **state) {
    (void)state;
    sgn_error err;
    reading r;
    unsigned char *file = malloc(20000 * 20), one[100];
    size_t n = 0;
    for (int i = 0; i < 20000; i++) n += zstd_bytes("", 0, file + n, 20);
    const size_t last = zstd_bytes(lines_text, strlen(lines_text), one, sizeof one);
    memcpy(file + n, one, last);
    const char *path = put_bytes("many.jsonl.zst", file, n + last);
    check_ok(read_all(&r, &path, 1, (sgn_text_options){ 0 }, &err), &err);
    assert_string_equal(r.text, "onetwo");
    free(r.text);
    free(file);
}

static void strange_json_is_refused(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        { "{\"text\": \"b\", \"text\": \"c\"}", "duplicate object key" },
        { "{\"text\": NaN}", "line 2" },
        { "{\"text\": \"\\ud800\"}", "offset 10: \\ud800 stands for no character" },
        { "{\"text\": \"\\u0000\"}", "\\u0000" },
        { "\xEF\xBB\xBF{\"text\": \"b\"}", "byte order mark" },
        { "\xFF\xFE{", "unable to decode byte 0xff" },
        { "{\"text\": \"\xED\xA0\x80\"}", "unable to decode" },
        { "{\"text\": \"b\"} {}", "end of file expected" },
        { "{\"text\": \"b\",}", "string" },
        { "\"text\"", "no text in field" },
        { "null", "no text in field" },
        { "{\"n\": 99999999999999999999999, \"text\": \"b\"}", "too big integer" },
    };
    char line[400];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(line, sizeof line, "{\"text\": \"a\"}\n%s\n", cases[i][0]);
        check_jsonl_refused(line, cases[i][1]);
    }
    char *deep = malloc(200100);
    strcpy(deep, "{\"text\": \"a\"}\n{\"x\": ");
    memset(deep + strlen(deep), '[', 200000 - strlen(deep));
    deep[200000] = '\0';
    check_jsonl_refused(deep, "nested deeper than 64");
    free(deep);
}

/* --- where from ------------------------------------------------------------------------------------ */

static void many_inputs(void **state) {
    (void)state;
    sgn_error err;
    reading r;
    mkdir(check_path("in"), 0777);
    mkdir(check_path("in/b"), 0777);
    put_text("in/c.txt", "3");
    put_text("in/a.txt", "1");
    put_text("in/b/x.jsonl", "{\"text\": \"2\"}");
    put_text("in/.hidden.txt", "no");
    put_text("in/image.png", "no");
    put_text("list", "in-list.txt\n");
    const char *inputs[] = { check_path("in"), put_text("named.dat", "4"), check_path("in/a.txt") };
    check_ok(read_all(&r, inputs, 3, (sgn_text_options){ 0 }, &err), &err);
    assert_string_equal(r.text, "12341");
    assert_int_equal(r.documents, 5);
    free(r.text);
    char list[1200];
    snprintf(list, sizeof list, "%s\n%s\n", check_path("in/c.txt"), check_path("in/a.txt"));
    put_text("list", list);
    snprintf(list, sizeof list, "@%s", check_path("list"));
    inputs[0] = list;
    check_ok(read_all(&r, inputs, 1, (sgn_text_options){ 0 }, &err), &err);
    assert_string_equal(r.text, "31");
    free(r.text);
}

static void standard_input(void **state) {
    (void)state;
    sgn_error err = { 0 };
    reading r;
    const int keep = dup(STDIN_FILENO), file = open(put_text("stdin", "{\"text\": \"piped\"}"), O_RDONLY);
    assert_true(file >= 0 && dup2(file, STDIN_FILENO) >= 0);
    const char *input = "-";
    const sgn_status s = read_all(&r, &input, 1, (sgn_text_options){ .format = SGN_TEXT_JSONL }, &err);
    dup2(keep, STDIN_FILENO);
    close(keep);
    close(file);
    assert_int_equal(s, SGN_OK);
    assert_string_equal(r.text, "piped");
    free(r.text);
}

static void bad_inputs_are_refused(void **state) {
    (void)state;
    sgn_error err;
    reading r;
    mkdir(check_path("none"), 0777);
    const char *path = check_path("missing.txt");
    check_fails(read_all(&r, &path, 1, (sgn_text_options){ 0 }, &err), SGN_IO, &err, "missing.txt");
    path = check_path("none");
    check_fails(read_all(&r, &path, 1, (sgn_text_options){ 0 }, &err), SGN_IO, &err, "no text files");
    path = "/dev/zero";
    check_fails(read_all(&r, &path, 1, (sgn_text_options){ 0 }, &err), SGN_IO, &err, "regular file");
    check_fails(read_all(&r, &path, 0, (sgn_text_options){ 0 }, &err), SGN_CONFIG, &err, "no input");
    mkfifo(check_path("pipe.txt"), 0666);
    path = check_path("pipe.txt");
    check_fails(read_all(&r, &path, 1, (sgn_text_options){ 0 }, &err), SGN_IO, &err, "regular file");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(separators), cmocka_unit_test(separators_across_windows), cmocka_unit_test(cuts_between_words),
        cmocka_unit_test(cuts_between_characters), cmocka_unit_test(jsonl), cmocka_unit_test(long_json_lines),
        cmocka_unit_test(bad_jsonl_is_refused), cmocka_unit_test(compressed_text), cmocka_unit_test(compressed_jsonl),
        cmocka_unit_test(damaged_archives_are_refused), cmocka_unit_test(empty_frames_are_nothing), cmocka_unit_test(strange_json_is_refused),
       
        cmocka_unit_test(many_inputs), cmocka_unit_test(standard_input), cmocka_unit_test(bad_inputs_are_refused),
    };
    return check_run(tests);
}
