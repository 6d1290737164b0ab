/* gguf and llama2c files: values of all types, and one broken file for each thing that must be refused. "rule N" counts the
 * refusals of hostile inputs that this project promises.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"

#include "core/archive.h"

static sgn_error err;

/* --- a file by hand ------------------------------------------------------------------------------ */

typedef struct {
    uint8_t at[1 << 16];
    size_t  size;
} bytes;

static void put(bytes *b, const void *data, size_t n) {
    memcpy(b->at + b->size, data, n);
    b->size += n;
}
static void u32(bytes *b, uint32_t v) { put(b, &v, sizeof v); }
static void u64(bytes *b, uint64_t v) { put(b, &v, sizeof v); }
static void f32(bytes *b, float v) { put(b, &v, sizeof v); }
static void text(bytes *b, const char *s) {
    u64(b, strlen(s));
    put(b, s, strlen(s));
}
static void head(bytes *b, uint32_t version, uint64_t tensors, uint64_t values) {
    *b = (bytes){ .size = 0 };
    put(b, "GGUF", 4);
    u32(b, version);
    u64(b, tensors);
    u64(b, values);
}
static void key(bytes *b, const char *name, uint32_t type) {
    text(b, name);
    u32(b, type);
}
static void tensor(bytes *b, const char *name, uint32_t rank, const uint64_t *ne, uint32_t type, uint64_t offset) {
    text(b, name);
    u32(b, rank);
    for (uint32_t i = 0; i < rank; i++) u64(b, ne[i]);
    u32(b, type);
    u64(b, offset);
}
static void zeros(bytes *b, size_t unit, size_t more) {
    b->size = (b->size + unit - 1) / unit * unit + more;
}

static const char *save(const bytes *b, const char *name) {
    const char *path = check_path(name);
    check_ok(sgn_file_write(path, b->at, b->size, &err), &err);
    return path;
}

/* --- what is read -------------------------------------------------------------------------------- */

static void values_of_all_types(void **state) {
    (void)state;
    static const char *const texts[] = { "", "two", "\xC3\xA9" };
    const uint8_t u8 = 200, flags[] = { 1, 0 };
    const int8_t i8 = -100;
    const uint16_t u16 = 60000;
    const int16_t i16 = -30000;
    const uint32_t u32s[] = { 4000000000u, 1 };
    const int32_t i32 = -2000000000;
    const float f = 1.5f;
    const double d = 1e300;
    const uint64_t u = UINT64_MAX;
    const int64_t i = INT64_MIN;
    const sgn_meta meta[] = {
        { "u8", SGN_META_U8, false, 1, &u8 }, { "i8", SGN_META_I8, false, 1, &i8 }, { "u16", SGN_META_U16, false, 1, &u16 },
        { "i16", SGN_META_I16, false, 1, &i16 }, { "u32s", SGN_META_U32, true, 2, u32s }, { "i32", SGN_META_I32, false, 1, &i32 },
        { "f", SGN_META_F32, false, 1, &f }, { "flags", SGN_META_BOOL, true, 2, flags }, { "texts", SGN_META_TEXT, true, 3, texts },
        { "text", SGN_META_TEXT, false, 1, texts + 1 }, { "u", SGN_META_U64, false, 1, &u }, { "i", SGN_META_I64, false, 1, &i },
        { "d", SGN_META_F64, false, 1, &d }, { "none", SGN_META_TEXT, true, 0, texts } };
    const int count = sizeof meta / sizeof *meta;
    sgn_archive a;
    int64_t n;
    double r;
    bool b;
    check_ok(sgn_archive_write_meta("gguf", check_path("values"), NULL, NULL, 0, meta, count, &err), &err);
    check_ok(sgn_archive_open(&a, check_path("values"), &err), &err);
    for (int k = 0; k < count; k++) {
        const sgn_meta *m = sgn_archive_meta(&a, meta[k].key);
        assert_non_null(m);
        assert_string_equal(m->key, meta[k].key);
        assert_true(m->type == meta[k].type && m->list == meta[k].list && m->count == meta[k].count);
        for (uint64_t j = 0; j < m->count; j++)
            if (m->type == SGN_META_TEXT) assert_string_equal(sgn_meta_text(m, j), texts[m->list ? j : 1]);
        if (m->type != SGN_META_TEXT) assert_memory_equal(m->data, meta[k].data, m->count * sgn_meta_bytes(m->type));
        assert_false(sgn_meta_int(m, m->count, &n) || sgn_meta_real(m, m->count, &r) || sgn_meta_bool(m, m->count, &b) || sgn_meta_text(m, m->count));
    }
    static const struct { const char *key; int64_t is; } ints[] = { { "u8", 200 }, { "i8", -100 }, { "u16", 60000 }, { "i16", -30000 },
        { "u32s", 4000000000 }, { "i32", -2000000000 }, { "i", INT64_MIN } };
    for (int k = 0; k < 7; k++) {
        assert_true(sgn_meta_int(sgn_archive_meta(&a, ints[k].key), 0, &n) && n == ints[k].is);
        assert_true(sgn_meta_real(sgn_archive_meta(&a, ints[k].key), 0, &r) && r == (double)ints[k].is);
    }
    assert_false(sgn_meta_int(sgn_archive_meta(&a, "u"), 0, &n));           /* past int64 */
    assert_false(sgn_meta_int(sgn_archive_meta(&a, "f"), 0, &n) || sgn_meta_int(sgn_archive_meta(&a, "flags"), 0, &n));
    assert_true(sgn_meta_real(sgn_archive_meta(&a, "f"), 0, &r) && r == 1.5);
    assert_true(sgn_meta_real(sgn_archive_meta(&a, "d"), 0, &r) && r == 1e300);
    assert_true(sgn_meta_bool(sgn_archive_meta(&a, "flags"), 0, &b) && b);
    assert_true(sgn_meta_bool(sgn_archive_meta(&a, "flags"), 1, &b) && !b);
    assert_string_equal(a.kind->note(&a, "text"), "two");
    assert_null(a.kind->note(&a, "texts"));
    assert_null(sgn_archive_meta(&a, "missing"));
    assert_false(sgn_meta_int(NULL, 0, &n));
    sgn_archive_close(&a);
}

/* Version 2, another alignment, the innermost dimension first; what ggml's own writers make. */
static void a_file_of_another_hand(void **state) {
    (void)state;
    static bytes b;
    sgn_archive a;
    head(&b, 2, 2, 2);
    key(&b, "general.architecture", SGN_META_TEXT);
    text(&b, "llama");
    key(&b, "general.alignment", SGN_META_U32);
    u32(&b, 64);
    tensor(&b, "z", 2, (uint64_t[]){ 3, 2 }, 0, 0);
    tensor(&b, "a", 1, (uint64_t[]){ 2 }, 1, 64);
    zeros(&b, 64, 0);
    for (int i = 0; i < 6; i++) f32(&b, (float)i);
    zeros(&b, 64, 0);
    u32(&b, 0x3c00c000);                                                    /* -2 and 1 as halves */
    check_ok(sgn_archive_open(&a, save(&b, "other.bin"), &err), &err);
    assert_string_equal(a.kind->name, "gguf");
    assert_string_equal(a.kind->note(&a, "general.architecture"), "llama");
    assert_int_equal(a.count, 2);
    const int z = sgn_archive_find(&a, "z");
    assert_true(a.at[z].rank == 2 && a.at[z].dim[0] == 2 && a.at[z].dim[1] == 3);
    float x[6];
    check_ok(sgn_archive_read_f32(&a, z, x, 6, &err), &err);
    for (int i = 0; i < 6; i++) assert_true(x[i] == (float)i);
    check_ok(sgn_archive_read_f32(&a, sgn_archive_find(&a, "a"), x, 2, &err), &err);
    assert_true(x[0] == -2 && x[1] == 1);
    assert_memory_equal(a.kind->map(&a, sgn_archive_find(&a, "a")), b.at + b.size - 4, 4);
    sgn_archive_close(&a);
}

/* --- what is refused ------------------------------------------------------------------------------- */

static const uint64_t four[] = { 4 };

static void magic(bytes *b)        { head(b, 3, 0, 0); b->at[0] = 'X'; }                                      /* rule 35 */
static void version_0(bytes *b)    { head(b, 0, 0, 0); }                                                      /* rule 36 */
static void version_1(bytes *b)    { head(b, 1, 0, 0); }
static void version_4(bytes *b)    { head(b, 4, 0, 0); }
static void big_endian(bytes *b)   { head(b, 0x03000000, 0, 0); }
static void cut_head(bytes *b)     { head(b, 3, 0, 0); b->size = 17; }
static void tensors_huge(bytes *b) { head(b, 3, (uint64_t)1 << 63, 0); }                                      /* rule 37 */
static void tensors_many(bytes *b) { head(b, 3, 5, 0); zeros(b, 1, 64); }
static void values_neg(bytes *b)   { head(b, 3, 0, UINT64_MAX); }
static void values_many(bytes *b)  { head(b, 3, 0, 5); zeros(b, 1, 32); }
static void key_empty(bytes *b)    { head(b, 3, 0, 1); key(b, "", SGN_META_U32); u32(b, 1); u64(b, 0); }      /* rule 38 */
static void key_long(bytes *b)     { head(b, 3, 0, 1); u64(b, 65536); zeros(b, 1, 50); }
static void key_past(bytes *b)     { head(b, 3, 0, 1); u64(b, 1000); zeros(b, 1, 50); }
static void key_zero(bytes *b)     { head(b, 3, 0, 1); u64(b, 3); put(b, "a\0b", 3); u32(b, 4); u32(b, 4); }
static void key_twice(bytes *b) {
    head(b, 3, 0, 2);
    for (int i = 0; i < 2; i++) key(b, "again", SGN_META_U32), u32(b, 1);
}
static void type_13(bytes *b)      { head(b, 3, 0, 1); key(b, "thing", 13); u32(b, 1); }                      /* rule 39 */
static void list_type_13(bytes *b) { head(b, 3, 0, 1); key(b, "thing", SGN_META_LIST); u32(b, 13); u64(b, 1); u64(b, 1); }
static void list_of_list(bytes *b) { head(b, 3, 0, 1); key(b, "thing", SGN_META_LIST); u32(b, 9); u64(b, 1); u64(b, 0); }      /* rule 40 */
static void list_long(bytes *b)    { head(b, 3, 0, 1); key(b, "thing", SGN_META_LIST); u32(b, 4); u64(b, 3); u64(b, 0); }      /* rule 41 */
static void list_wraps(bytes *b)   { head(b, 3, 0, 1); key(b, "thing", SGN_META_LIST); u32(b, 10); u64(b, (uint64_t)1 << 61); u64(b, 0); }
static void texts_many(bytes *b)   { head(b, 3, 0, 1); key(b, "thing", SGN_META_LIST); u32(b, 8); u64(b, 2); u64(b, 0); }
static void text_past(bytes *b)    { head(b, 3, 0, 1); key(b, "thing", SGN_META_TEXT); u64(b, 9); zeros(b, 1, 8); }            /* rule 42 */
static void text_in_list(bytes *b) { head(b, 3, 0, 1); key(b, "thing", SGN_META_LIST); u32(b, 8); u64(b, 1); u64(b, UINT64_MAX); }
static void text_zero(bytes *b)    { head(b, 3, 0, 1); key(b, "thing", SGN_META_TEXT); u64(b, 3); put(b, "a\0b", 3); }
static void align(bytes *b, uint32_t n) { head(b, 3, 0, 1); key(b, "general.alignment", SGN_META_U32); u32(b, n); }            /* rule 43 */
static void align_0(bytes *b)      { align(b, 0); }
static void align_24(bytes *b)     { align(b, 24); }
static void align_big(bytes *b)    { align(b, 1 << 17); }
static void align_type(bytes *b)   { head(b, 3, 0, 1); key(b, "general.alignment", SGN_META_U64); u64(b, 32); }
static void rank_5(bytes *b)       { head(b, 3, 1, 0); tensor(b, "w", 5, (uint64_t[]){ 1, 1, 1, 1, 1 }, 0, 0); }               /* rule 44 */
static void dim_0(bytes *b)        { head(b, 3, 1, 0); tensor(b, "w", 1, (uint64_t[]){ 0 }, 0, 0); }                           /* rule 45 */
static void dim_neg(bytes *b)      { head(b, 3, 1, 0); tensor(b, "w", 2, (uint64_t[]){ 4, (uint64_t)-4 }, 0, 0); }
static void numel_wraps(bytes *b)  { head(b, 3, 1, 0); tensor(b, "w", 2, (uint64_t[]){ (uint64_t)1 << 33, (uint64_t)1 << 33 }, 0, 0); }
static void bytes_wrap(bytes *b)   { head(b, 3, 1, 0); tensor(b, "w", 2, (uint64_t[]){ (uint64_t)1 << 31, (uint64_t)1 << 31 }, 0, 0); }
static void exabytes(bytes *b)     { head(b, 3, 1, 0); tensor(b, "w", 1, (uint64_t[]){ (uint64_t)1 << 60 }, 0, 0); zeros(b, 32, 64); }
static void half_block(bytes *b)   { head(b, 3, 1, 0); tensor(b, "w", 2, (uint64_t[]){ 48, 2 }, 8, 0); }                       /* rule 46 */
static void type_43(bytes *b)      { head(b, 3, 1, 0); tensor(b, "w", 1, four, 43, 0); }                                       /* rule 47 */
static void type_4(bytes *b)       { head(b, 3, 1, 0); tensor(b, "w", 1, four, 4, 0); }
static void type_q4_k(bytes *b)    { head(b, 3, 1, 0); tensor(b, "w", 1, (uint64_t[]){ 256 }, 12, 0); }
static void two(bytes *b, const char *second, uint64_t first_at, uint64_t second_at) {
    head(b, 3, 2, 0);
    tensor(b, "w", 1, four, 0, first_at);
    tensor(b, second, 1, four, 0, second_at);
    zeros(b, 32, 128);
}
static void unaligned(bytes *b)    { two(b, "v", 0, 20); }                                                                     /* rule 48 */
static void overlapping(bytes *b)  { two(b, "v", 0, 0); }
static void out_of_order(bytes *b) { two(b, "v", 32, 0); }
static void gap(bytes *b)          { two(b, "v", 0, 64); }
static void past_end(bytes *b)     { head(b, 3, 1, 0); tensor(b, "w", 1, four, 0, UINT64_MAX - 31); zeros(b, 32, 32); }
static void sums_wrap(bytes *b) {                                                                                              /* rule 49 */
    head(b, 3, 2, 0);
    tensor(b, "w", 1, (uint64_t[]){ ((uint64_t)1 << 62) - 8 }, 0, 0);
    tensor(b, "v", 1, (uint64_t[]){ 16 }, 0, UINT64_MAX - 31);
    zeros(b, 32, 64);
}
static void truncated(bytes *b)    { head(b, 3, 1, 0); tensor(b, "w", 1, four, 0, 0); zeros(b, 32, 15); }                      /* rule 50 */
static void no_data(bytes *b)      { head(b, 3, 1, 0); tensor(b, "w", 1, four, 0, 0); }
static void same_name(bytes *b)    { two(b, "w", 0, 32); }                                                                     /* rule 51 */
static void name_64(bytes *b)      { head(b, 3, 1, 0); tensor(b, "0123456789012345678901234567890123456789012345678901234567890123", 1, four, 0, 0); }
static void name_empty(bytes *b)   { head(b, 3, 1, 0); tensor(b, "", 1, four, 0, 0); u64(b, 0); }
static void vocabulary(bytes *b, const char *what, uint32_t type, uint64_t n) {                                                /* rule 52 */
    head(b, 3, 0, 2);
    key(b, "tokenizer.ggml.tokens", SGN_META_LIST);
    u32(b, SGN_META_TEXT);
    u64(b, 2);
    text(b, "a");
    text(b, "b");
    key(b, what, SGN_META_LIST);
    u32(b, type);
    u64(b, n);
    zeros(b, 1, n * 4);
}
static void scores_int(bytes *b)   { vocabulary(b, "tokenizer.ggml.scores", SGN_META_I32, 2); }
static void scores_3(bytes *b)     { vocabulary(b, "tokenizer.ggml.scores", SGN_META_F32, 3); }
static void types_1(bytes *b)      { vocabulary(b, "tokenizer.ggml.token_type", SGN_META_I32, 1); }
static void bool_2(bytes *b)       { head(b, 3, 0, 1); key(b, "flag", SGN_META_BOOL); put(b, "\2", 1); u64(b, 0); }           /* rule 54 */

static const struct { void (*make)(bytes *b); sgn_status status; const char *field, *offset, *says; } broken[] = {
    { magic, SGN_FORMAT, "magic", "offset 0:", "GGUF" },
    { version_0, SGN_FORMAT, "version", "offset 4:", "0 is not read" },
    { version_1, SGN_FORMAT, "version", "offset 4:", "1 is not read" },
    { version_4, SGN_FORMAT, "version", "offset 4:", "4 is not read" },
    { big_endian, SGN_FORMAT, "version", "offset 4:", "big-endian" },
    { cut_head, SGN_FORMAT, "number of values", "offset 16:", "only 1 remain" },
    { tensors_huge, SGN_FORMAT, "number of tensors", "offset 8:", "9223372036854775808" },
    { tensors_many, SGN_FORMAT, "number of tensors", "offset 8:", "64 bytes remain" },
    { values_neg, SGN_FORMAT, "number of values", "offset 16:", "18446744073709551615" },
    { values_many, SGN_FORMAT, "number of values", "offset 16:", "32 bytes remain" },
    { key_empty, SGN_FORMAT, "key of value 0", "offset 24:", "length is 0" },
    { key_long, SGN_FORMAT, "key of value 0", "offset 24:", "65536" },
    { key_past, SGN_FORMAT, "key of value 0", "offset 32:", "only 50 remain" },
    { key_zero, SGN_FORMAT, "key of value 0", "offset 32:", "a zero" },
    { key_twice, SGN_FORMAT, "again", "offset ", "twice" },
    { type_13, SGN_FORMAT, "thing", "offset 37:", "type 13" },
    { list_type_13, SGN_FORMAT, "thing", "offset 41:", "type 13" },
    { list_of_list, SGN_FORMAT, "thing", "offset 41:", "list of lists" },
    { list_long, SGN_FORMAT, "thing", "offset 45:", "only 8 bytes remain" },
    { list_wraps, SGN_FORMAT, "thing", "offset 45:", "only 8 bytes remain" },
    { texts_many, SGN_FORMAT, "thing", "offset 45:", "only 8 bytes remain" },
    { text_past, SGN_FORMAT, "thing", "offset 49:", "only 8 remain" },
    { text_in_list, SGN_FORMAT, "thing", "offset 61:", "18446744073709551615" },
    { text_zero, SGN_FORMAT, "thing", "offset 49:", "a zero" },
    { align_0, SGN_FORMAT, "general.alignment", "offset 53:", "0 is not a power of 2" },
    { align_24, SGN_FORMAT, "general.alignment", "offset 53:", "24" },
    { align_big, SGN_FORMAT, "general.alignment", "offset 53:", "131072" },
    { align_type, SGN_FORMAT, "general.alignment", "offset 32:", "not a u32" },
    { rank_5, SGN_FORMAT, "w", "offset 33:", "rank 5" },
    { dim_0, SGN_FORMAT, "w", "offset 37:", "dimension 0 is 0" },
    { dim_neg, SGN_FORMAT, "w", "offset 45:", "dimension 1 is -4" },
    { numel_wraps, SGN_FORMAT, "w", "offset 53:", "2^64" },
    { bytes_wrap, SGN_FORMAT, "w", "offset 53:", "2^64" },
    { exabytes, SGN_FORMAT, "w", "offset 49:", "4611686018427387904 bytes" },
    { half_block, SGN_FORMAT, "w", "offset 53:", "rows of 48 are not whole blocks of 32" },
    { type_43, SGN_FORMAT, "w", "offset 45:", "type 43" },
    { type_4, SGN_FORMAT, "w", "offset 45:", "type 4 " },
    { type_q4_k, SGN_UNSUPPORTED, "w", "offset 45:", "Q4_K" },
    { unaligned, SGN_FORMAT, "v", "offset 82:", "no multiple" },
    { overlapping, SGN_FORMAT, "v", "offset 82:", "ends at 32" },
    { out_of_order, SGN_FORMAT, "w", "offset 49:", "ends at 0" },
    { gap, SGN_FORMAT, "v", "offset 82:", "offset is 64" },
    { past_end, SGN_FORMAT, "w", "offset 49:", "18446744073709551584" },
    { sums_wrap, SGN_FORMAT, "w", "offset 49:", "the data has 64" },
    { truncated, SGN_FORMAT, "w", "offset 49:", "the data has 15" },
    { no_data, SGN_FORMAT, "w", "offset 49:", "the data has 0" },
    { same_name, SGN_FORMAT, "w", "offset ", "two tensors" },
    { name_64, SGN_FORMAT, "name of tensor 0", "offset 32:", "64 bytes" },
    { name_empty, SGN_FORMAT, "name of tensor 0", "offset 32:", "0 bytes" },
    { scores_int, SGN_FORMAT, "tokenizer.ggml.scores", "offset ", "list of f32" },
    { scores_3, SGN_FORMAT, "tokenizer.ggml.scores", "offset ", "3 elements for 2 tokens" },
    { types_1, SGN_FORMAT, "tokenizer.ggml.token_type", "offset ", "1 elements for 2 tokens" },
    { bool_2, SGN_FORMAT, "flag", "offset 40:", "2 is neither" },
};

static void every_broken_file_is_refused(void **state) {
    (void)state;
    static bytes b;
    sgn_archive a;
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        broken[i].make(&b);
        const char *path = save(&b, "broken.gguf");
        check_fails(sgn_archive_open(&a, path, &err), broken[i].status, &err, broken[i].says);
        if (!strstr(err.text, broken[i].field) || !strstr(err.text, broken[i].offset) || !strstr(err.text, path))
            fail_msg("case %zu: \"%s\" does not name %s and %s", i, err.text, broken[i].field, broken[i].offset);
        sgn_archive_close(&a);
    }
}

static void writing_refuses_what_gguf_has_no_place_for(void **state) {
    (void)state;
    const float x[4] = { 0 };
    const void *data[] = { x };
    const sgn_array bad[] = { sgn_array_make("w", SGN_DTYPE_U16, 1, (int64_t[]){ 2 }), sgn_array_make("w", SGN_DTYPE_F32, 5, (int64_t[]){ 1, 1, 1, 1, 1 }),
        sgn_array_make("w", SGN_DTYPE_F32, 1, (int64_t[]){ 0 }),
        sgn_array_make("0123456789012345678901234567890123456789012345678901234567890123", SGN_DTYPE_F32, 1, (int64_t[]){ 4 }) };
    for (int i = 0; i < 4; i++)
        check_fails(sgn_archive_write("gguf", check_path("bad.gguf"), &bad[i], data, 1, NULL, &err), SGN_UNSUPPORTED, &err, bad[i].name);
    check_fails(sgn_archive_write_meta("h5", check_path("bad.h5"), NULL, NULL, 0, NULL, 0, &err), SGN_UNSUPPORTED, &err, "h5");
    assert_false(sgn_file_exists(check_path("bad.gguf")));
    const sgn_array q = sgn_array_make("q", SGN_DTYPE_Q8_0, 1, (int64_t[]){ 32 });
    check_fails(sgn_archive_write("safetensors", check_path("bad"), &q, data, 1, NULL, &err), SGN_UNSUPPORTED, &err, "Q8_0");
    check_fails(sgn_archive_write("llama2c", check_path("bad"), &q, data, 1, NULL, &err), SGN_UNSUPPORTED, &err, "only read");
}

/* --- llama2.c ------------------------------------------------------------------------------------------ */

enum { SMALL_FLOATS = 5 * 4 + 2 * (4 + 16 + 8 + 8 + 16 + 4 + 24 + 24 + 24) + 4 + 3 * 2 };      /* of the header below, tied */

static void small(bytes *b, int32_t vocab, int floats) {
    const int32_t header[7] = { 4, 6, 2, 2, 1, vocab, 3 };
    *b = (bytes){ .size = 0 };
    put(b, header, sizeof header);
    for (int i = 0; i < floats; i++) f32(b, (float)i);
}

static void llama2c_has_names(void **state) {
    (void)state;
    static bytes b;
    sgn_archive a;
    static const struct { const char *name; int64_t rows, cols; float first; } arrays[] = {
        { "tok_embeddings.weight", 5, 4, 0 }, { "layers.1.attention_norm.weight", 4, 0, 24 }, { "layers.1.attention.wq.weight", 4, 4, 44 },
        { "layers.0.attention.wk.weight", 2, 4, 60 }, { "layers.1.attention.wv.weight", 2, 4, 84 }, { "layers.0.attention.wo.weight", 4, 4, 92 },
        { "layers.0.ffn_norm.weight", 4, 0, 124 }, { "layers.1.feed_forward.w1.weight", 6, 4, 156 }, { "layers.0.feed_forward.w2.weight", 4, 6, 180 },
        { "layers.1.feed_forward.w3.weight", 6, 4, 252 }, { "norm.weight", 4, 0, 276 }, { "output.weight", 5, 4, 286 } };
    for (int tied = 0; tied < 2; tied++) {
        bool is;
        int64_t n;
        small(&b, tied ? 5 : -5, SMALL_FLOATS + (tied ? 0 : 20));
        check_ok(sgn_archive_open(&a, save(&b, "plain"), &err), &err);
        assert_string_equal(a.kind->name, "llama2c");
        assert_int_equal(a.count, tied ? 20 : 21);
        assert_true(sgn_meta_bool(sgn_archive_meta(&a, "tied"), 0, &is) && is == tied);
        assert_true(sgn_meta_int(sgn_archive_meta(&a, "vocab_size"), 0, &n) && n == 5);
        assert_true(sgn_meta_int(sgn_archive_meta(&a, "hidden_dim"), 0, &n) && n == 6);
        for (int i = 0; i < 12 - tied; i++) {
            const int k = sgn_archive_find(&a, arrays[i].name);
            float x[24];
            if (k < 0) fail_msg("there is no %s", arrays[i].name);
            assert_true(a.at[k].dim[0] == arrays[i].rows && (a.at[k].rank == 1 ? arrays[i].cols == 0 : a.at[k].dim[1] == arrays[i].cols));
            check_ok(sgn_archive_read_f32(&a, k, x, (int64_t)sgn_array_numel(&a.at[k]), &err), &err);
            assert_true(x[0] == arrays[i].first && memcmp(a.kind->map(&a, k), x, sizeof *x) == 0);
        }
        sgn_archive_close(&a);
    }
}

static void llama2c_refuses(void **state) {
    (void)state;
    static bytes b;
    sgn_archive a;
    static const struct { int word; int32_t is; const char *says; } bad[] = {
        { 0, 0, "offset 0: dim" }, { 0, -4, "offset 0: dim" }, { 1, 0, "offset 4: hidden_dim" }, { 2, 0, "offset 8: n_layers" },
        { 2, 1 << 20, "offset 8: n_layers" }, { 3, 3, "offset 12: n_heads" }, { 4, 0, "offset 16: n_kv_heads" }, { 4, 4, "offset 16: n_kv_heads" },
        { 5, 0, "offset 20: vocab_size" }, { 5, INT32_MIN, "offset 20: vocab_size" }, { 6, 0, "offset 24: max_seq_len" },
        { 6, 1 << 24, "rotary tables" }, { 5, 1 << 24, "tok_embeddings" }, { 5, 4, "after the last array" }, { 5, -5, "output" } };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        small(&b, 5, SMALL_FLOATS);
        memcpy(b.at + 4 * bad[i].word, &bad[i].is, 4);
        check_fails(sgn_archive_open(&a, save(&b, "bad.bin"), &err), SGN_FORMAT, &err, bad[i].says);
        assert_non_null(strstr(err.text, "offset"));
    }
    small(&b, 5, SMALL_FLOATS - 1);
    check_fails(sgn_archive_open(&a, save(&b, "bad.bin"), &err), SGN_FORMAT, &err, "offset");
    b.size = 20;
    check_fails(sgn_archive_open(&a, save(&b, "bad.bin"), &err), SGN_FORMAT, &err, "header of 28");
    small(&b, 5, SMALL_FLOATS);
    memcpy(b.at, "24ka\1\0\0\0", 8);
    check_fails(sgn_archive_open(&a, save(&b, "bad.bin"), &err), SGN_UNSUPPORTED, &err, "version 1");
    memcpy(b.at, "PK\3\4", 4);
    b.at[11] = 0x80;
    check_fails(sgn_archive_open(&a, save(&b, "pytorch_model.bin"), &err), SGN_UNSUPPORTED, &err, "safetensors");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_of_all_types),
        cmocka_unit_test(a_file_of_another_hand),
        cmocka_unit_test(every_broken_file_is_refused),
        cmocka_unit_test(writing_refuses_what_gguf_has_no_place_for),
        cmocka_unit_test(llama2c_has_names),
        cmocka_unit_test(llama2c_refuses),
    };
    return check_run(tests);
}
