/* Archives: what every row must do, and what each format must refuse.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <sys/wait.h>
#include "core/archive.h"
#include "core/file.h"
#include "tests/core/archive_set.h"

/* --- half and bfloat16 ------------------------------------------------------------------------ */

static float of_bits(uint32_t u) {
    float f;
    memcpy(&f, &u, 4);
    return f;
}

static void half_values(void **state) {     /* IEEE 754-2019, table 3.5: binary16 */
    (void)state;
    static const struct { uint16_t h; float f; } known[] = {
        { 0x0000, 0 }, { 0x0001, 0x1p-24f }, { 0x03ff, 0x1.ff8p-15f }, { 0x0400, 0x1p-14f }, { 0x3555, 0x1.554p-2f },
        { 0x3c00, 1 }, { 0x3c01, 1 + 0x1p-10f }, { 0xc000, -2 }, { 0x7bff, 65504 }, { 0x7c00, INFINITY }, { 0xfc00, -INFINITY } };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        assert_true(sgn_f16_to_f32(known[i].h) == known[i].f);
        assert_int_equal(sgn_f32_to_f16(known[i].f), known[i].h);
    }
    assert_int_equal(sgn_f32_to_f16(-0.0f), 0x8000);
    assert_true(signbit(sgn_f16_to_f32(0x8000)));
    assert_int_equal(sgn_f32_to_f16(1e30f), 0x7c00);
    assert_int_equal(sgn_f32_to_f16(-1e-30f), 0x8000);
    assert_true(isnan(sgn_f16_to_f32(0x7e00)) && isnan(sgn_f16_to_f32(0x7c01)));
    assert_int_equal(sgn_f32_to_f16(of_bits(0x7f800001)), 0x7e00);       /* a payload that does not fit stays not a number */
    assert_int_equal(sgn_f32_to_bf16(of_bits(0x7f800001)), 0x7fc0);
    assert_int_equal(sgn_f32_to_bf16(INFINITY), 0x7f80);
    assert_int_equal(sgn_f32_to_bf16(of_bits(0x7f7fffff)), 0x7f80);      /* the largest float rounds up */
    for (uint32_t h = 0; h < 65536; h++) {
        assert_int_equal(sgn_f32_to_f16(sgn_f16_to_f32((uint16_t)h)), h);
        assert_int_equal(sgn_f32_to_bf16(sgn_bf16_to_f32((uint16_t)h)), h);
    }
}

/* Half way between neighbours goes to the even one, a float beside it to the nearer one. */
static void halves_round_to_nearest_even(void **state) {
    (void)state;
    for (uint32_t h = 0; h < 0x7c00; h++) {
        const double below = (double)sgn_f16_to_f32((uint16_t)h), above = h == 0x7bff ? 65536 : (double)sgn_f16_to_f32((uint16_t)(h + 1));
        const float middle = (float)((below + above) / 2);
        assert_true((double)middle == (below + above) / 2);
        assert_int_equal(sgn_f32_to_f16(middle), h + (h & 1));
        assert_int_equal(sgn_f32_to_f16(nextafterf(middle, 0)), h);
        assert_int_equal(sgn_f32_to_f16(nextafterf(middle, INFINITY)), h + 1);
        assert_int_equal(sgn_f32_to_f16(-middle), 0x8000 | (h + (h & 1)));
    }
    for (uint32_t h = 0; h < 0x7f80; h++) {
        assert_int_equal(sgn_f32_to_bf16(of_bits(h << 16 | 0x8000)), h + (h & 1));
        assert_int_equal(sgn_f32_to_bf16(of_bits(h << 16 | 0x7fff)), h);
        assert_int_equal(sgn_f32_to_bf16(of_bits(h << 16 | 0x8001)), h + 1);
    }
}

static void every_format_gives_back_what_it_took(void **state) {
    (void)state;
    sgn_error err;
    EACH_KIND(k) {
        assert_true(k->name && k->summary && k->suffix && k->recognise && k->open && k->map && k->read && k->note && k->close);
        assert_ptr_equal(sgn_archive_kind_find(k->name), k);
        if (!k->write && !k->write_from) continue;
        set s = make_set(k, true);
        char *first, *second;
        size_t n, m;
        sgn_archive a;
        write_set(&s, check_path("no-suffix"));         /* recognised by content */
        check_ok(sgn_archive_open(&a, check_path("no-suffix"), &err), &err);
        assert_ptr_equal(a.kind, k);
        assert_int_equal(differs(&a, &s), 0);
        for (int i = 0; i < a.count; i++) {
            if (i) assert_true(strcmp(a.at[i - 1].name, a.at[i].name) < 0);
            const void *mapped = k->map(&a, i);
            int64_t count = (int64_t)sgn_array_numel(&a.at[i]);
            float *out = malloc((size_t)(count + 1) * sizeof *out);
            check_ok(sgn_archive_read_f32(&a, i, out, count, &err), &err);
            for (int64_t j = 0; j < count && sgn_dtype_block(a.at[i].dtype) == 1; j++) assert_true(out[j] == (float)value(a.at[i].dtype, j));
            check_fails(sgn_archive_read_f32(&a, i, out, count + 1, &err), SGN_SHAPE, &err, a.at[i].name);
            free(out);
            for (int j = 0; mapped && j < s.count; j++)
                if (strcmp(s.at[j].name, a.at[i].name) == 0) assert_memory_equal(mapped, s.data[j], s.at[j].bytes);
        }
        assert_int_equal(sgn_archive_find(&a, "types"), -1);
        assert_null(k->note(&a, "none"));
        sgn_archive_close(&a);
        sgn_archive_close(&a);
        for (const time_t before = time(NULL); time(NULL) == before;) usleep(10000);
        write_set(&s, check_path("again"));             /* the same arrays make the same bytes, at any time */
        check_ok(sgn_file_read(check_path("no-suffix"), 1 << 30, &first, &n, &err), &err);
        check_ok(sgn_file_read(check_path("again"), 1 << 30, &second, &m, &err), &err);
        assert_int_equal(n, m);
        assert_memory_equal(first, second, n);
        free(first);
        free(second);
        free_set(&s);
    }
}

typedef struct { const set *s; const char *other; int fail, asked; void *room; } stream;

/* From memory that is gone at the next call, after a look into another file of the format. */
static sgn_status stream_get(void *ctx, int index, const void **data, sgn_error *err) {
    stream *t = ctx;
    const size_t n = (size_t)t->s->at[index].bytes;
    sgn_archive a;
    if (index == t->fail) SGN_FAIL(err, SGN_IO, "no array %d", index);
    assert_int_equal(index, t->asked++);
    SGN_TRY(sgn_archive_open(&a, t->other, err));
    sgn_archive_close(&a);
    free(t->room);
    *data = t->room = malloc(n + 1);
    memcpy(t->room, t->s->data[index], n);
    return SGN_OK;
}

static void arrays_that_come_one_by_one_make_the_same_file(void **state) {
    (void)state;
    sgn_error err;
    EACH_KIND(k) {
        if (!k->write && !k->write_from) continue;
        set s = make_set(k, false);
        char *first, *second, other[SGN_PATH_MAX];
        size_t n, m;
        snprintf(other, sizeof other, "%s", check_path("whole"));
        check_ok(sgn_archive_write(k->name, other, s.at, (const void *const *)s.data, s.count, NULL, &err), &err);
        stream t = { &s, other, -1, 0, NULL };
        sgn_array_source from = { stream_get, &t };
        if (!k->write_from) {
            check_fails(sgn_archive_write_from(k->name, check_path("streamed"), s.at, &from, s.count, NULL, &err), SGN_UNSUPPORTED, &err, "from memory only");
            free_set(&s);
            continue;
        }
        check_ok(sgn_archive_write_from(k->name, check_path("streamed"), s.at, &from, s.count, NULL, &err), &err);
        assert_int_equal(t.asked, s.count);
        check_ok(sgn_file_read(other, 1 << 30, &first, &n, &err), &err);
        check_ok(sgn_file_read(check_path("streamed"), 1 << 30, &second, &m, &err), &err);
        assert_int_equal(n, m);
        assert_memory_equal(first, second, n);
        t.fail = 1, t.asked = 0;
        check_fails(sgn_archive_write_from(k->name, check_path("broken"), s.at, &from, s.count, NULL, &err), SGN_IO, &err, "no array 1");
        assert_false(sgn_file_exists(check_path("broken")));
        free(t.room);
        free(first);
        free(second);
        free_set(&s);
    }
}

static void every_format_holds_nothing_too(void **state) {
    (void)state;
    sgn_error err;
    EACH_KIND(k) {
        sgn_archive a;
        if (!k->write && !k->write_from) continue;
        check_ok(sgn_archive_write(k->name, check_path("none"), NULL, NULL, 0, NULL, &err), &err);
        check_ok(sgn_archive_open(&a, check_path("none"), &err), &err);
        assert_int_equal(a.count, 0);
        assert_int_equal(sgn_archive_find(&a, "x"), -1);
        sgn_archive_close(&a);
    }
}

static void a_full_disk_leaves_nothing(void **state) {
    (void)state;
    struct rlimit before, tight;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    tight = before;
    tight.rlim_cur = 100000;
    signal(SIGXFSZ, SIG_IGN);
    EACH_KIND(k) {
        sgn_error err = { 0 };
        if (!k->write && !k->write_from) continue;
        set s = make_set(k, true);
        setrlimit(RLIMIT_FSIZE, &tight);
        const sgn_status got = sgn_archive_write(k->name, check_path("full"), s.at, (const void *const *)s.data, s.count, notes, &err);
        setrlimit(RLIMIT_FSIZE, &before);
        assert_int_equal(got, SGN_IO);
        assert_non_null(strstr(err.text, "full: cannot write"));
        assert_false(sgn_file_exists(check_path("full")));
        write_set(&s, check_path("full"));              /* and the process is as well as before */
        sgn_archive a;
        check_ok(sgn_archive_open(&a, check_path("full"), &err), &err);
        assert_int_equal(differs(&a, &s), 0);
        sgn_archive_close(&a);
        assert_int_equal(unlink(check_path("full")), 0);
        free_set(&s);
    }
    signal(SIGXFSZ, SIG_DFL);
}

static void writing_refuses_what_does_not_fit(void **state) {
    (void)state;
    sgn_error err;
    const float x[4] = { 0 };
    const void *data[] = { x, x };
    char longer[300];
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    const char *bad[] = { "", "/a", "a/", "a//b", ".", "..", "a/../b", longer,
                          "\xFF", "a\xC3", "\xC0\xAF", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE2\x96" };      /* not UTF-8 */
    EACH_KIND(k) {
        if (!k->write && !k->write_from) continue;
        const char *path = check_path("refused");
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
            const sgn_array a = sgn_array_make(bad[i], SGN_DTYPE_F32, 1, (int64_t[]){ 4 });
            check_fails(sgn_archive_write(k->name, path, &a, data, 1, NULL, &err), SGN_FORMAT, &err, "cannot name an array");
        }
        sgn_array two[2] = { sgn_array_make("a", SGN_DTYPE_F32, 1, (int64_t[]){ 4 }), sgn_array_make("a", SGN_DTYPE_F32, 1, (int64_t[]){ 4 }) };
        check_fails(sgn_archive_write(k->name, path, two, data, 2, NULL, &err), SGN_FORMAT, &err, "two arrays");
        two[0].bytes = 12;
        check_fails(sgn_archive_write(k->name, path, two, data, 1, NULL, &err), SGN_FORMAT, &err, "do not fit together");
        two[0] = sgn_array_make("a", SGN_DTYPE_F32, 2, (int64_t[]){ INT64_MAX, INT64_MAX });
        check_fails(sgn_archive_write(k->name, path, two, data, 1, NULL, &err), SGN_FORMAT, &err, "do not fit together");
        two[0] = sgn_array_make("a", SGN_DTYPE_F32, 1, (int64_t[]){ -1 });
        check_fails(sgn_archive_write(k->name, path, two, data, 1, NULL, &err), SGN_FORMAT, &err, "do not fit together");
        check_fails(sgn_archive_write(k->name, check_directory, two + 1, data, 1, NULL, &err), SGN_IO, &err, "directory");
        assert_false(sgn_file_exists(path));
    }
    const sgn_array a = sgn_array_make("a", SGN_DTYPE_F32, 1, (int64_t[]){ 4 });
    check_fails(sgn_archive_write("safetensor", check_path("x"), &a, data, 1, NULL, &err), SGN_CONFIG, &err, "did you mean safetensors?");
}

static void opening_refuses_what_is_no_archive(void **state) {
    (void)state;
    sgn_error err;
    sgn_archive a;
    check_ok(sgn_file_write(check_path("text"), "hello, this is text", 19, &err), &err);
    check_fails(sgn_archive_open(&a, check_path("text"), &err), SGN_FORMAT, &err, "no known archive");
    check_fails(sgn_archive_open(&a, check_path("missing"), &err), SGN_IO, &err, "No such file");
    check_fails(sgn_archive_open(&a, check_directory, &err), SGN_IO, &err, "directory");
    assert_int_equal(mkfifo(check_path("fifo"), 0600), 0);
    check_fails(sgn_archive_open(&a, check_path("fifo"), &err), SGN_IO, &err, "pipe");
    check_ok(sgn_file_write(check_path("x.h5"), "hello, this is text", 19, &err), &err);
    check_fails(sgn_archive_open(&a, check_path("x.h5"), &err), SGN_FORMAT, &err, "HDF5");      /* rule 91 */
    sgn_archive_close(&a);
}

/* --- safetensors ------------------------------------------------------------------------------ */

/* Writes length, header (as given) and `data` bytes of 0; returns the path. */
static const char *make_file(const char *name, uint64_t length, const char *header, size_t size, size_t data) {
    sgn_error err;
    const char *path = check_path(name);
    sgn_writer *w;
    check_ok(sgn_writer_open(&w, path, &err), &err);
    sgn_writer_put(w, &length, 8);
    sgn_writer_put(w, header, size);
    for (size_t i = 0; i < data; i++) sgn_writer_put(w, "", 1);
    check_ok(sgn_writer_close(w, &err), &err);
    return path;
}

static sgn_status open_header(const char *header, size_t data, sgn_error *err) {
    sgn_archive a;
    const char *path = make_file("hand.safetensors", strlen(header), header, strlen(header), data);
    const sgn_status s = sgn_archive_open(&a, path, err);
    sgn_archive_close(&a);
    return s;
}

#define T(name, shape, begin, end) "\"" name "\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":[" #begin "," #end "]}"

/* Rules of methods/reliability 7.2 by number. */
static const struct { int rule; const char *header; size_t data; const char *says; } refused[] = {
    { 2, "", 8, "header length 0" },
    { 7, " {}", 0, "does not start with {" },
    { 7, "[]", 0, "does not start with {" },
    { 8, "{\"a\":", 0, "offset 12" },
    { 8, "{\"a\":}", 0, "line 1" },
    { 10, "{} {}", 0, "line 1" },
    { 10, "{}x", 0, "does not end with }" },
    { 10, "{}\n", 0, "does not end with }" },
    { 11, "{" T("a", "[1]", 0, 4) "," T("a", "[1]", 0, 4) "}", 4, "duplicate" },
    { 12, "{\"__metadata__\":{},\"__metadata__\":{}}", 0, "duplicate" },
    { 12, "{\"__metadata__\":{\"a\":\"b\",\"a\":\"b\"}}", 0, "duplicate" },
    { 13, "{\"__metadata__\":{\"a\":1}}", 0, "__metadata__: a is not text" },
    { 13, "{\"__metadata__\":[]}", 0, "__metadata__: is not an object" },
    { 14, "{\"a\":{\"dtype\":\"F33\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "a: dtype F33" },
    { 14, "{\"a\":{\"dtype\":4,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "a: dtype (none)" },
    { 16, "{" T("a", "[-1]", 0, 4) "}", 4, "a: shape[0]" },
    { 17, "{" T("a", "[1.0]", 0, 4) "}", 4, "a: shape[0]" },
    { 17, "{" T("a", "[1e3]", 0, 4000) "}", 4000, "a: shape[0]" },
    { 17, "{" T("a", "[\"1\"]", 0, 4) "}", 4, "a: shape[0]" },
    { 17, "{" T("a", "1", 0, 4) "}", 4, "a: shape is not a list" },
    { 18, "{" T("a", "[9223372036854775807,4]", 0, 4) "}", 4, "passes 2^64" },
    { 18, "{" T("a", "[99999999999999999999]", 0, 4) "}", 4, "too big" },
    { 19, "{" T("a", "[4611686018427387904]", 0, 0) "}", 0, "passes 2^64" },
    { 19, "{" T("a", "[4611686018427387904,2,2,0]", 0, 0) "}", 0, "passes 2^64" },
    { 20, "{" T("a", "[1,1,1,1,1,1,1,1,1]", 0, 4) "}", 4, "at most 8" },
    { 22, "{" T("a", "[1]", 4, 0) "}", 4, "0 <= begin <= end" },
    { 22, "{" T("a", "[1]", -4, 0) "}", 4, "0 <= begin <= end" },
    { 22, "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,8]}}", 8, "0 <= begin <= end" },
    { 22, "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4.0]}}", 4, "0 <= begin <= end" },
    { 23, "{" T("a", "[2]", 0, 8) "}", 4, "end at 8, but the data has 4" },
    { 23, "{" T("a", "[2305843009213693951]", 0, 9223372036854775804) "}", 4, "but the data has 4" },
    { 24, "{" T("a", "[2]", 0, 8) "," T("b", "[2]", 4, 12) "}", 12, "b: data_offsets begin at 4" },
    { 24, "{" T("a", "[1]", 0, 4) "," T("b", "[1]", 0, 4) "}", 4, "data_offsets begin at 0, but" },
    { 25, "{" T("a", "[1]", 0, 4) "," T("b", "[1]", 8, 12) "}", 12, "b: data_offsets begin at 8, but the array before ends at 4" },
    { 25, "{" T("a", "[1]", 4, 8) "}", 8, "a: data_offsets begin at 4" },
    { 26, "{" T("a", "[1]", 0, 4) "}", 5, "1 bytes after the last array" },
    { 26, "{}", 3, "3 bytes after" },
    { 27, "{" T("a", "[3]", 0, 8) "}", 8, "span 8 bytes, but its shape and dtype make 12" },
    { 33, "{" T("a\\u0000b", "[1]", 0, 4) "}", 4, "no text holds a zero byte" },
    { 33, "{" T("a\\ud800", "[1]", 0, 4) "}", 4, "half of a pair" },
    { 6, "{" T("\xC3\x28", "[1]", 0, 4) "}", 4, "byte 0xc3" },
    { 0, "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"more\":1}}", 4, "is not {dtype, shape, data_offsets}" },
    { 0, "{\"a\":5}", 4, "is not {dtype, shape, data_offsets}" },
    { 0, "{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "is not {dtype, shape, data_offsets}" },
};

static void safetensors_refuses_by_rule(void **state) {
    (void)state;
    sgn_error err;
    sgn_archive a;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        check_fails(open_header(refused[i].header, refused[i].data, &err), SGN_FORMAT, &err, refused[i].says);
        assert_non_null(strstr(err.text, "hand.safetensors"));
        if (!strstr(err.text, "offset ")) fail_msg("\"%s\" does not say where", err.text);
    }
    check_fails(open_header("{" T("b", "[1]", 0, 4) ",  " T("a", "[2]", 0, 4) "}", 4, &err), SGN_FORMAT, &err, "offset 64: a: data_offsets span");
    check_ok(open_header("{" T("z", "[0]", 0, 0) "," T("b", "[1]", 4, 8) "," T("a", "[1]", 0, 4) "}   ", 8, &err), &err);
    static const struct { uint64_t length; const char *says; } lengths[] = {
        { 100000001, "not within 1 to 100000000" },   /* rule 3 */
        { UINT64_MAX, "not within" },                 /* rule 4 */
        { UINT64_MAX - 7, "not within" },
        { 3, "but only 2 bytes follow" } };           /* rule 5 */
    for (int i = 0; i < 4; i++)
        check_fails(sgn_archive_open(&a, make_file("l.safetensors", lengths[i].length, "{}", 2, 0), &err), SGN_FORMAT, &err, lengths[i].says);
    check_ok(sgn_file_write(check_path("s.safetensors"), "1234567", 7, &err), &err);       /* rule 1 */
    check_fails(sgn_archive_open(&a, check_path("s.safetensors"), &err), SGN_FORMAT, &err, "7 bytes are too few");
    check_ok(sgn_file_write(check_path("s.safetensors"), "", 0, &err), &err);
    check_fails(sgn_archive_open(&a, check_path("s.safetensors"), &err), SGN_FORMAT, &err, "0 bytes are too few");
}

static void safetensors_bounds_what_it_parses(void **state) {
    (void)state;
    sgn_error err;
    enum { DEEP = 100000, MANY = 3000000 };
    char *text = malloc(2 * MANY + 100);
    char *to = text + sprintf(text, "{\"a\":");
    memset(to, '[', DEEP);                            /* rule 9 */
    memset(to + DEEP, ']', DEEP);
    strcpy(to + 2 * DEEP, "}");
    check_fails(open_header(text, 0, &err), SGN_FORMAT, &err, "deeper than 64");
    to = text + sprintf(text, "{\"a\":[0");           /* rule 32: values without end */
    for (int i = 0; i < MANY; i++, to += 2) memcpy(to, ",0", 2);
    strcpy(to, "]}");
    check_fails(open_header(text, 0, &err), SGN_FORMAT, &err, "more than 100000 arrays");
    to = text + sprintf(text, "{\"");
    memset(to, 'n', 2000);                            /* rule 32: a long name */
    strcpy(to + 2000, "\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}");
    check_fails(open_header(text, 4, &err), SGN_FORMAT, &err, "a name of 2000 bytes");
    to = text + sprintf(text, "{\"__metadata__\":{\"a\":\"");      /* commas within text are only text */
    memset(to, ',', MANY);
    strcpy(to + MANY, "\"}}");
    check_ok(open_header(text, 0, &err), &err);
    free(text);
}

static void safetensors_starts_data_on_a_cache_line(void **state) {
    (void)state;
    sgn_error err;
    const float x[3] = { 1, 2, 3 };
    const double y[2] = { 4, 5 };
    const void *data[] = { x, y };
    char name[SGN_ARRAY_NAME] = "n";
    for (int i = 1; i < 70; i++) {
        const sgn_array at[] = { sgn_array_make(name, SGN_DTYPE_F32, 1, (int64_t[]){ 3 }), sgn_array_make("z", SGN_DTYPE_F64, 1, (int64_t[]){ 2 }) };
        sgn_archive a;
        char *text;
        size_t size;
        check_ok(sgn_archive_write("safetensors", check_path("aligned"), at, data, 2, NULL, &err), &err);
        check_ok(sgn_file_read(check_path("aligned"), 1 << 20, &text, &size, &err), &err);
        uint64_t n;
        memcpy(&n, text, 8);
        assert_int_equal((n + 8) % 64, 0);
        assert_int_equal(size, n + 8 + 28);
        free(text);
        check_ok(sgn_archive_open(&a, check_path("aligned"), &err), &err);
        for (int k = 0; k < 2; k++) assert_int_equal((uintptr_t)a.kind->map(&a, k) % sgn_dtype_bytes(a.at[k].dtype), 0);
        sgn_archive_close(&a);
        name[i] = 'n';
        name[i + 1] = '\0';
    }
    const sgn_array meta = sgn_array_make("__metadata__", SGN_DTYPE_F32, 1, (int64_t[]){ 3 });
    check_fails(sgn_archive_write("safetensors", check_path("meta"), &meta, data, 1, NULL, &err), SGN_FORMAT, &err, "__metadata__");
}

static sgn_status open_index(const char *json, sgn_error *err) {
    sgn_archive a;
    const char *path = check_path("model.safetensors.index.json");
    check_ok(sgn_file_write(path, json, strlen(json), err), err);
    const sgn_status s = sgn_archive_open(&a, path, err);
    if (s == SGN_OK) {
        float x[2];
        assert_int_equal(a.count, 3);
        assert_string_equal(a.at[0].name, "a");
        assert_string_equal(a.at[2].name, "c");
        check_ok(sgn_archive_read_f32(&a, 2, x, 2, err), err);
        assert_true(x[0] == 5 && x[1] == 6);
        assert_string_equal(a.kind->note(&a, "format"), "pt");
    }
    sgn_archive_close(&a);
    return s;
}

#define MAP(a, b, c) "\"weight_map\":{\"a\":\"" a "\",\"b\":\"" b "\",\"c\":\"" c "\"}"

static void an_index_opens_its_shards(void **state) {     /* rule 34 */
    (void)state;
    sgn_error err;
    const float x[] = { 1, 2, 3, 4, 5, 6 };
    const char *const pt[] = { "format", "pt", NULL };
    sgn_array at[3];
    for (int i = 0; i < 3; i++) at[i] = sgn_array_make((const char *[]){ "a", "b", "c" }[i], SGN_DTYPE_F32, 1, (int64_t[]){ 2 });
    check_ok(sgn_archive_write("safetensors", check_path("s1"), (sgn_array[]){ at[2], at[0] }, (const void *[]){ x + 4, x }, 2, NULL, &err), &err);
    check_ok(sgn_archive_write("safetensors", check_path("s2"), &at[1], (const void *[]){ x + 2 }, 1, pt, &err), &err);
    check_ok(sgn_archive_write("safetensors", check_path("s3"), &at[1], (const void *[]){ x + 2 }, 1, pt, &err), &err);
    check_ok(open_index("{\"metadata\":{\"total_size\":24}," MAP("s1", "s2", "s1") "}", &err), &err);
    check_ok(open_index("{\n  " MAP("s1", "s2", "s1") "\n}\n", &err), &err);
    static const struct { const char *json, *says; sgn_status status; } bad[] = {
        { "{\"metadata\":{\"total_size\":25}," MAP("s1", "s2", "s1") "}", "total_size is 25, but the shards hold 24", SGN_FORMAT },
        { "{\"metadata\":{\"total_size\":\"24\"}," MAP("s1", "s2", "s1") "}", "total_size", SGN_FORMAT },
        { "{" MAP("s1", "../s2", "s1") "}", "\"../s2\" is not the name of a file", SGN_FORMAT },
        { "{" MAP("s1", "/s2", "s1") "}", "is not the name of a file", SGN_FORMAT },
        { "{" MAP("s1", "..", "s1") "}", "is not the name of a file", SGN_FORMAT },
        { "{" MAP("s1", "", "s1") "}", "is not the name of a file", SGN_FORMAT },
        { "{" MAP("s1", "s4", "s1") "}", "s4", SGN_IO },
        { "{" MAP("s1", "s2", "s2") "}", "c is said to be in s2, but", SGN_FORMAT },
        { "{\"weight_map\":{\"a\":\"s1\",\"b\":\"s2\"}}", "c of", SGN_FORMAT },
        { "{\"weight_map\":{\"a\":\"s1\",\"b\":\"s2\",\"c\":\"s1\",\"d\":\"s1\"}}", "d is not in s1", SGN_FORMAT },
        { "{\"weight_map\":{\"a\":\"s1\",\"b\":\"s2\",\"c\":\"s1\",\"d\":\"s3\"}}", "b is said to be in s2, but", SGN_FORMAT },
        { "{\"weight_map\":{\"a\":5}}", "is not the name of a file", SGN_FORMAT },
        { "{\"weight_map\":{}}", "without a weight_map", SGN_FORMAT },
        { "{\"weight_map\":[]}", "without a weight_map", SGN_FORMAT },
        { "{\"dim\": 4096}", "without a weight_map", SGN_FORMAT },
        { "{\"weight_map\":", "line 1", SGN_FORMAT },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        check_fails(open_index(bad[i].json, &err), bad[i].status, &err, bad[i].says);
}

/* --- HDF5 and the rest of the world ----------------------------------------------------------- */

static void h5py_and_h5ls_read_our_files(void **state) {
    (void)state;
    set s = make_set(sgn_archive_kind_find("h5"), true);
    write_set(&s, check_path("ours.h5"));
    free_set(&s);
    client("check", check_path("ours.h5"));
    char command[600];
    snprintf(command, sizeof command, "h5ls -r %s > %s 2>&1", check_path("ours.h5"), check_path("ls"));
    const int rc = system(command);
    if (WIFEXITED(rc) && WEXITSTATUS(rc) == 127) {
        check_skipped("h5ls is not installed");
        return;
    }
    assert_int_equal(rc, 0);
    sgn_error err;
    char *text;
    size_t size;
    check_ok(sgn_file_read(check_path("ls"), 1 << 20, &text, &size, &err), &err);
    assert_non_null(strstr(text, "/group/deeper/model.layers.0.self_attn.q_proj.weight Dataset {700, 601}"));
    free(text);
}

static void h5_keeps_long_notes_up_to_a_limit(void **state) {
    (void)state;
    sgn_error err;
    sgn_archive a;
    char *text = malloc(60002);
    memset(text, 'x', 60001);
    text[60001] = '\0';
    const char *pair[] = { "long", text, NULL };
    check_fails(sgn_archive_write("h5", check_path("notes.h5"), NULL, NULL, 0, pair, &err), SGN_FORMAT, &err, "60000 bytes");
    text[60000] = '\0';
    check_ok(sgn_archive_write("h5", check_path("notes.h5"), NULL, NULL, 0, pair, &err), &err);
    check_ok(sgn_archive_open(&a, check_path("notes.h5"), &err), &err);
    assert_string_equal(a.kind->note(&a, "long"), text);
    sgn_archive_close(&a);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(half_values),
        cmocka_unit_test(halves_round_to_nearest_even),
        cmocka_unit_test(every_format_gives_back_what_it_took),
        cmocka_unit_test(arrays_that_come_one_by_one_make_the_same_file),
        cmocka_unit_test(every_format_holds_nothing_too),
        cmocka_unit_test(a_full_disk_leaves_nothing),
        cmocka_unit_test(writing_refuses_what_does_not_fit),
        cmocka_unit_test(opening_refuses_what_is_no_archive),
        cmocka_unit_test(safetensors_refuses_by_rule),
        cmocka_unit_test(safetensors_bounds_what_it_parses),
        cmocka_unit_test(safetensors_starts_data_on_a_cache_line),
        cmocka_unit_test(an_index_opens_its_shards),
        cmocka_unit_test(h5py_and_h5ls_read_our_files),
        cmocka_unit_test(h5_keeps_long_notes_up_to_a_limit),
    };
    return check_run(tests);
}
