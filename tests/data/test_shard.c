/* SPDX-License-Identifier: MIT */
#include "shard_files.h"
#include <zstd.h>
#include "data/frame.h"
#include "data/shard_set.h"

enum { F = SGN_FRAME_TOKENS };

static const sgn_shard_options small = { .vocab = 1000, .shard_tokens = 2 * F + 100 };

static void round_trip(void **state) {
    (void)state;
    static const struct { uint64_t tokens; sgn_shard_options o; int shards, width; } cases[] = {
        { 1, { .vocab = 2 }, 1, 2 },
        { F, { .vocab = 65536 }, 1, 2 },
        { F + 1, { .vocab = 65537 }, 1, 4 },
        { 5 * F + 77, { .vocab = 1000, .shard_tokens = 2 * F + 100, .level = 9 }, 3, 2 },
        { 4 * F, { .vocab = 300, .shard_tokens = 2 * F }, 2, 2 },
        { 3 * F, { .vocab = 50257, .shard_tokens = 1000 }, 50, 2 },        /* more shards than are kept open */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *dir = put_shards("set", cases[i].tokens, cases[i].o);
        sgn_error err;
        sgn_shards *s = open_shards(dir);
        const sgn_shard_info *info = sgn_shards_info(s);
        assert_int_equal(info->tokens, cases[i].tokens);
        assert_int_equal(info->shards, cases[i].shards);
        assert_int_equal(info->width, cases[i].width);
        assert_int_equal(info->documents, 3);
        assert_int_equal(info->text_bytes, 5 * cases[i].tokens);
        check_tokens(s, 0, (size_t)cases[i].tokens);
        for (uint64_t k = 0; k < 300; k++) {
            const uint64_t first = sgn_rng_bits(k, 1, 1) % cases[i].tokens, most = cases[i].tokens - first;
            check_tokens(s, first, (size_t)(sgn_rng_bits(k, 1, 2) % (most < 5000 ? most + 1 : 5000)));
        }
        check_ok(sgn_shards_verify(s, &err), &err);
        int32_t id;
        check_fails(sgn_shards_read(s, cases[i].tokens, 1, &id, &err), SGN_FORMAT, &err, "tokens");
        check_fails(sgn_shards_read(s, UINT64_MAX, 2, &id, &err), SGN_FORMAT, &err, "tokens");
        sgn_shards_close(s);
    }
}

/* Frames compressed and written apart, between puts of any length, are those that put makes by itself. */
static void frames_compressed_apart(void **state) {
    (void)state;
    enum { N = 7 * F + 1234 };
    sgn_error err;
    sgn_shard_writer *w;
    const sgn_shard_options o = { .vocab = 1000, .shard_tokens = 5 * F + 100 };
    char path[512], *text[2];
    size_t size;
    snprintf(path, sizeof path, "%s/" SGN_SHARDS_JSON, put_shards("set", N, o));
    check_ok(sgn_file_read(path, 1 << 20, &text[0], &size, &err), &err);
    check_ok(sgn_shard_writer_open(&w, check_path("apart"), &o, &err), &err);
    for (uint64_t at = 0, n; at < N; at += n) {
        static int32_t ids[2 * F];
        n = 1 + sgn_rng_bits(at, 2, 3) % (2 * F);
        if (n > N - at) n = N - at;
        for (uint64_t i = 0; i < n; i++) ids[i] = id_at(at + i, o.vocab);
        check_ok(sgn_shard_writer_put(w, ids, (size_t)n, &err), &err);
        const sgn_job job = sgn_shard_writer_job(w);
        sgn_parallel_jobs(&job, 1);
        check_ok(sgn_shard_writer_drain(w, &err), &err);
    }
    sgn_shard_writer_count(w, 3, 5 * N);
    check_ok(sgn_shard_writer_close(w, &err), &err);
    snprintf(path, sizeof path, "%s/" SGN_SHARDS_JSON, check_path("apart"));
    check_ok(sgn_file_read(path, 1 << 20, &text[1], &size, &err), &err);
    assert_string_equal(text[0], text[1]);             /* digests of all files among it */
    free(text[0]);
    free(text[1]);
}

/* `zstd -d` of a shard gives plain little-endian ids. */
static void zstd_reads_shards(void **state) {
    (void)state;
    if (system("command -v zstd >/dev/null 2>&1") != 0) {
        check_skipped("no zstd program");
        return;
    }
    for (int wide = 0; wide < 2; wide++) {
        const uint32_t vocab = wide ? 100000 : 50000;
        const char *dir = put_shards("set", 2 * F + 5, (sgn_shard_options){ .vocab = vocab });
        char command[1200];
        snprintf(command, sizeof command, "zstd -dqf %s/shard-00000.zst -o %s/ids", dir, dir);
        assert_int_equal(system(command), 0);
        sgn_error err;
        char *data;
        size_t size;
        snprintf(command, sizeof command, "%s/ids", dir);
        check_ok(sgn_file_read(command, 1 << 24, &data, &size, &err), &err);
        assert_int_equal(size, (2 * F + 5) * (wide ? 4 : 2));
        const unsigned char *p = (unsigned char *)data;
        for (uint64_t i = 0; i < 2 * F + 5; i++, p += wide ? 4 : 2) {
            const uint32_t id = wide ? sgn_get32(p) : p[0] | (uint32_t)p[1] << 8;
            assert_int_equal(id, id_at(i, vocab));
        }
        free(data);
    }
}

static void roles(void **state) {
    (void)state;
    sgn_error err;
    sgn_shards *s;
    put_shards("both/train", 10, small);
    put_shards("both/valid", 20, small);
    const char *dir = check_path("both");
    check_ok(sgn_shards_open(&s, dir, "valid", &err), &err);
    assert_int_equal(sgn_shards_info(s)->tokens, 20);
    sgn_shards_close(s);
    check_ok(sgn_shards_open(&s, check_path("both/train"), "valid", &err), &err);      /* the set itself: the role says nothing */
    assert_int_equal(sgn_shards_info(s)->tokens, 10);
    sgn_shards_close(s);
    check_fails(sgn_shards_open(&s, dir, NULL, &err), SGN_IO, &err, "holds no shards.json");
    check_fails(sgn_shards_open(&s, dir, "test", &err), SGN_IO, &err, "subdirectory test");
    check_fails(sgn_shards_open(&s, check_path("nowhere"), NULL, &err), SGN_IO, &err, "signum tokenize");
    assert_null(s);
}

static void fits(void **state) {
    (void)state;
    sgn_error err;
    sgn_shard_options o = small;
    o.tokenizer = "bpe";
    o.tokenizer_hash = "0123456789abcdef0123456789abcdef";
    sgn_shards *s = open_shards(put_shards("set", 10, o));
    check_ok(sgn_shards_fit(s, 1000, o.tokenizer_hash, "the model", &err), &err);
    check_ok(sgn_shards_fit(s, 1024, o.tokenizer_hash, "the model", &err), &err);
    check_ok(sgn_shards_fit(s, 1024, NULL, "the model", &err), &err);
    check_fails(sgn_shards_fit(s, 1000, "ffffffffffffffffffffffffffffffff", "the model", &err), SGN_CONFIG, &err, "another tokenizer");
    check_fails(sgn_shards_fit(s, 999, NULL, "the model", &err), SGN_CONFIG, &err, "999");
    sgn_shards_close(s);
    s = open_shards(put_shards("set", 10, small));         /* foreign ids fit any tokenizer */
    check_ok(sgn_shards_fit(s, 1000, "ffffffffffffffffffffffffffffffff", "the model", &err), &err);
    sgn_shards_close(s);
}

static void writer_refusals(void **state) {
    (void)state;
    sgn_error err;
    sgn_shard_writer *w;
    const char *dir = check_path("w");
    check_fails(sgn_shard_writer_open(&w, dir, &(sgn_shard_options){ 0 }, &err), SGN_CONFIG, &err, "vocabulary of 0");
    check_ok(sgn_shard_writer_open(&w, dir, &small, &err), &err);
    check_fails(sgn_shard_writer_close(w, &err), SGN_FORMAT, &err, "not a single token");
    check_ok(sgn_shard_writer_open(&w, dir, &small, &err), &err);
    check_ok(sgn_shard_writer_put(w, (int32_t[]){ 1, 999 }, 2, &err), &err);
    check_fails(sgn_shard_writer_put(w, (int32_t[]){ 1, 1000 }, 2, &err), SGN_FORMAT, &err, "token 3 is 1000");
    check_fails(sgn_shard_writer_put(w, (int32_t[]){ -1 }, 1, &err), SGN_FORMAT, &err, "token 2 is -1");
    sgn_shard_writer_abandon(w);
    assert_false(sgn_file_exists(dir));            /* nothing was left */
    char **names;
    int count;
    check_ok(sgn_directory_list(check_directory, ".tmp", "", &names, &count, &err), &err);
    assert_int_equal(count, 0);
    sgn_names_free(names, count);
    put_shards("w", 10, small);
    check_fails(sgn_shard_writer_open(&w, dir, &small, &err), SGN_IO, &err, "exists already");
}

/* --- damage --------------------------------------------------------------------------------------------- */

typedef struct { char *data; size_t size; } bytes;

static bytes get_file(const char *name) {
    bytes b;
    sgn_error err;
    check_ok(sgn_file_read(check_path(name), 1 << 24, &b.data, &b.size, &err), &err);
    return b;
}

static void put_file(const char *name, const void *data, size_t size) {      /* without fsync: hundreds of them */
    FILE *f = fopen(check_path(name), "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    fclose(f);
}

/* Opens the set and reads all of it. */
static sgn_status read_all(const char *name, sgn_error *err) {
    sgn_shards *s;
    SGN_TRY(sgn_shards_open(&s, check_path(name), NULL, err));
    const uint64_t n = sgn_shards_info(s)->tokens;
    int32_t *ids = malloc(n * sizeof *ids);
    const sgn_status status = sgn_shards_read(s, 0, n, ids, err);
    for (uint64_t i = 0; i < n && status == SGN_OK; i++) assert_int_equal(ids[i], id_at(i, sgn_shards_info(s)->vocab));
    free(ids);
    sgn_shards_close(s);
    return status;
}

static void cut_files_are_refused(void **state) {
    (void)state;
    sgn_error err;
    put_shards("cut", 2 * F + 50, (sgn_shard_options){ .vocab = 1000 });
    bytes b = get_file("cut/shard-00000.zst");
    for (size_t i = 0; i < 200; i++) {
        const size_t n = i < 60 ? b.size - 1 - i : b.size * (i - 60) / 140;
        put_file("cut/shard-00000.zst", b.data, n);
        check_fails(read_all("cut", &err), SGN_FORMAT, &err, "cut/shard-00000.zst");
    }
    b.data = realloc(b.data, b.size + 1);
    b.data[b.size] = 0;
    put_file("cut/shard-00000.zst", b.data, b.size + 1);
    check_fails(read_all("cut", &err), SGN_FORMAT, &err, "bytes");
    unlink(check_path("cut/shard-00000.zst"));
    check_fails(read_all("cut", &err), SGN_IO, &err, "shard-00000.zst");
    free(b.data);
}

/* A changed bit is refused or, in the few bits of a frame's head that mean nothing, harmless: read_all
 * compares every id. The digest of the file sees all of them. */
static void flipped_bits_are_refused(void **state) {
    (void)state;
    sgn_error err;
    put_shards("flip", F + 50, (sgn_shard_options){ .vocab = 1000 });
    bytes b = get_file("flip/shard-00000.zst");
    int harmless = 0;
    for (size_t i = 0; i < 700; i++) {
        const size_t tail = 8 + 2 * 12 + 9, at = i < tail ? b.size - 1 - i : i < 100 ? i - tail : b.size * (i - 100) / 600;
        const char bit = (char)(1 << i % 8);
        b.data[at] ^= bit;
        put_file("flip/shard-00000.zst", b.data, b.size);
        b.data[at] ^= bit;
        err = (sgn_error){ 0 };
        const sgn_status s = read_all("flip", &err);
        if (s == SGN_OK) harmless++;
        else if (s != SGN_FORMAT || !strstr(err.text, "flip/shard-00000.zst")) fail_msg("byte %zu: %s", at, err.text);
        sgn_shards *set;
        if (at >= b.size - tail) {                 /* the seek table is checked when the set is opened */
            check_fails(sgn_shards_open(&set, check_path("flip"), NULL, &err), SGN_FORMAT, &err, "seek table");
            continue;
        }
        check_ok(sgn_shards_open(&set, check_path("flip"), NULL, &err), &err);
        check_fails(sgn_shards_verify(set, &err), SGN_FORMAT, &err, "contents have changed");
        sgn_shards_close(set);
    }
    assert_true(harmless <= 2);
    free(b.data);
}

static void every_value_of_the_json_counts(void **state) {
    (void)state;
    sgn_error err;
    sgn_shard_options o = small;
    o.tokenizer = "bpe";
    o.tokenizer_hash = "0123456789abcdef0123456789abcdef";
    put_shards("json", 3 * F, o);
    bytes b = get_file("json/shards.json");
    int changed = 0;
    for (size_t i = 0; i < b.size; i++) {
        if (b.data[i] < '0' || b.data[i] > '9') continue;
        b.data[i] ^= 1;                            /* another digit */
        put_file("json/shards.json", b.data, b.size);
        b.data[i] ^= 1;
        check_fails(read_all("json", &err), SGN_FORMAT, &err, "shards.json");
        changed++;
    }
    assert_true(changed > 100);
    for (size_t n = 0; n < b.size - 1; n += 7) {
        put_file("json/shards.json", b.data, n);
        check_fails(read_all("json", &err), SGN_FORMAT, &err, "shards.json");
    }
    free(b.data);
}

static void check_json_refused(const char *from, const char *to, const char *mention) {
    sgn_error err;
    if (!sgn_file_exists(check_path("j"))) {
        put_shards("j", F, small);
        rename(check_path("j/shards.json"), check_path("right.json"));
    }
    bytes b = get_file("right.json");
    char *at = strstr(b.data, from);
    if (!at) fail_msg("\"%s\" does not stand in shards.json", from);
    FILE *f = fopen(check_path("j/shards.json"), "wb");
    fwrite(b.data, 1, (size_t)(at - b.data), f);
    fputs(to, f);
    fputs(at + strlen(from), f);
    fclose(f);
    free(b.data);
    check_fails(read_all("j", &err), SGN_FORMAT, &err, mention);
    if (!strstr(err.text, "shards.json")) fail_msg("\"%s\" does not name the file", err.text);
}

static void bad_json_is_refused(void **state) {
    (void)state;
    check_json_refused("signum-shards", "other", "format is not");
    check_json_refused("\"version\": 1", "\"version\": 2", "version is 2, this program reads 1");
    check_json_refused("\"version\": 1", "\"version\": \"1\"", "version is not a number");
    check_json_refused("\"u16\"", "\"u8\"", "dtype is u8");
    check_json_refused("\"u16\"", "\"u32\"", "seal");
    check_json_refused("\"vocab\": 1000", "\"vocab\": 0", "vocab is not a number from 1");
    check_json_refused("\"vocab\": 1000", "\"vocab\": 70000", "vocab is not a number from 1");
    check_json_refused("\"tokens\": 16384,\n  \"documents\"", "\"tokens\": 0,\n  \"documents\"", "tokens is not a number from 1");
    check_json_refused("\"tokens\": 16384,\n  \"documents\"", "\"tokens\": 16385,\n  \"documents\"", "but the shards have 16384");
    check_json_refused("\"frame_tokens\": 16384", "\"frame_tokens\": 0", "frame_tokens");
    check_json_refused("\"frame_tokens\": 16384", "\"frame_tokens\": 99999999", "frame_tokens");
    check_json_refused("shard-00000.zst", "shard-00001.zst", "shards[0]: file is not");
    check_json_refused("shard-00000.zst", "../x/shard-00000.zst", "shards[0]: file is not");
    check_json_refused("\"seal\": \"", "\"seal\": \"0", "seal");
    check_json_refused("\"text_bytes\": 8", "\"text_bytes\": 9", "seal");
}

/* --- lies that are consistent: the digests fit, the contents do not --------------------------------------- */

/* Writes `data` as the only shard of set "lie" and a shards.json that agrees with it. */
static void put_lie(const uint8_t *data, size_t size, uint64_t tokens, size_t seek, uint32_t vocab) {
    sgn_error err;
    sgn_shard_set s = { .info = { .vocab = vocab, .width = 2 }, .frame_tokens = 8 };
    sgn_shard_entry e = { .tokens = tokens, .bytes = size, .digest = sgn_digest_bytes(data, size),
                          .seek_digest = sgn_digest_bytes(data + size - seek, seek) };
    check_ok(sgn_make_directories(check_path("lie"), &err), &err);
    put_file("lie/shard-00000.zst", data, size);
    check_ok(sgn_shard_set_add(&s, &e, &err), &err);
    check_ok(sgn_shard_set_save(&s, check_path("lie/shards.json"), &err), &err);
    sgn_shard_set_free(&s);
}

typedef struct {
    uint32_t magic, length, entry[2][3], frames, descriptor, foot_magic;
} table;

/* Two frames and a table of two entries; n bytes. */
static size_t build(uint8_t *out, const uint8_t *const frame[2], const size_t size[2], const table *t) {
    uint8_t *to = out;
    for (int k = 0; k < 2; k++) {
        memcpy(to, frame[k], size[k]);
        to += size[k];
    }
    to = sgn_put32(sgn_put32(to, t->magic), t->length);
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < 3; i++) to = sgn_put32(to, t->entry[k][i]);
    to = sgn_put32(to, t->frames);
    *to++ = (uint8_t)t->descriptor;
    return (size_t)(sgn_put32(to, t->foot_magic) - out);
}

static size_t compress(uint8_t *out, const void *data, size_t size, bool checksum, bool content_size) {
    ZSTD_CCtx *z = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(z, ZSTD_c_checksumFlag, checksum);
    ZSTD_CCtx_setParameter(z, ZSTD_c_contentSizeFlag, content_size);
    const size_t n = ZSTD_compress2(z, out, 1024, data, size);
    assert_false(ZSTD_isError(n));
    ZSTD_freeCCtx(z);
    return n;
}

static void lies_are_refused(void **state) {
    (void)state;
    enum { SEEK = 8 + 24 + 9 };
    const uint16_t ids[12] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 999 };
    uint8_t good[2][1024], odd[1024], file[4096];
    const size_t n[2] = { compress(good[0], ids, 16, true, true), compress(good[1], ids + 8, 8, true, true) };
    const uint8_t *frame[2] = { good[0], good[1] };
    const table right = { 0x184D2A5E, SEEK - 8,
                          { { (uint32_t)n[0], 16, sgn_frame_checksum(good[0], n[0]) },
                            { (uint32_t)n[1], 8, sgn_frame_checksum(good[1], n[1]) } }, 2, 0x80, 0x8F92EAB1 };
    sgn_error err;
    sgn_shards *s;
    put_lie(file, build(file, frame, n, &right), 12, SEEK, 1000);
    check_ok(sgn_shards_open(&s, check_path("lie"), NULL, &err), &err);
    int32_t got[12];
    check_ok(sgn_shards_read(s, 0, 12, got, &err), &err);
    for (int i = 0; i < 12; i++) assert_int_equal(got[i], ids[i]);
    sgn_shards_close(s);
    put_lie(file, build(file, frame, n, &right), 12, SEEK, 999);
    check_fails(read_all("lie", &err), SGN_FORMAT, &err, "token 11 is 999, the vocabulary has 999");
    put_lie(file, build(file, frame, n, &right), 13, SEEK, 1000);
    check_fails(read_all("lie", &err), SGN_FORMAT, &err, "frame 1 has");
    put_lie(file, build(file, frame, n, &right), 80, SEEK, 1000);
    check_fails(read_all("lie", &err), SGN_FORMAT, &err, "cannot be in");
    put_lie(file, build(file, frame, n, &right), 1000000000000, SEEK, 1000);
    check_fails(read_all("lie", &err), SGN_FORMAT, &err, "cannot be in");

    static const char *const mention[] = { "does not begin here", "does not begin here", "magic", "3 frames", "descriptor 0x00",
                                           "frame 0 has", "frame 1 has", "end at", "no zstd frame starts here", "not the one of the seek table" };
    for (int k = 0; k < 10; k++) {
        table t = right;
        if (k == 0) t.magic++;
        if (k == 1) t.length++;
        if (k == 2) t.foot_magic++;
        if (k == 3) t.frames++;
        if (k == 4) t.descriptor = 0;
        if (k == 5) t.entry[0][1] = 1 << 30;
        if (k == 6) t.entry[1][0] = 1 << 30;
        if (k == 7) t.entry[1][0]--;
        if (k == 8) t.entry[0][0]--, t.entry[1][0]++;
        if (k == 9) t.entry[0][2] ^= 1;
        put_lie(file, build(file, frame, n, &t), 12, SEEK, 1000);
        err = (sgn_error){ 0 };
        assert_int_equal(read_all("lie", &err), SGN_FORMAT);
        if (k != 8 && !strstr(err.text, mention[k])) fail_msg("case %d: %s", k, err.text);
    }

    static const char *const what[] = { "no checksum", "does not say how much it holds", "claims 14 bytes, the table 16" };
    for (int k = 0; k < 3; k++) {
        const size_t m[2] = { compress(odd, ids, k == 2 ? 14 : 16, k != 0, k != 1), n[1] };
        const uint8_t *const two[2] = { odd, good[1] };
        table t = right;
        t.entry[0][0] = (uint32_t)m[0];
        put_lie(file, build(file, two, m, &t), 12, SEEK, 1000);
        check_fails(read_all("lie", &err), SGN_FORMAT, &err, what[k]);
    }
}

/* A frame whose head claims 2^60 bytes is refused before anything is allocated for it. */
static void huge_claims_are_refused(void **state) {
    (void)state;
    sgn_error err;
    sgn_frame_decoder *d;
    uint8_t frame[64] = { 0x28, 0xB5, 0x2F, 0xFD, 0xE4, 0, 0, 0, 0, 0, 0, 0, 0x10 }, out[16];
    check_ok(sgn_frame_decoder_open(&d, &err), &err);
    check_fails(sgn_frame_decode(d, frame, sizeof frame, out, 16, "x.zst", 7, &err), SGN_FORMAT, &err, "claims 1152921504606846976");
    frame[4] |= 1;
    check_fails(sgn_frame_decode(d, frame, sizeof frame, out, 16, "x.zst", 7, &err), SGN_FORMAT, &err, "dictionary");
    check_fails(sgn_frame_decode(d, frame, 3, out, 16, "x.zst", 7, &err), SGN_FORMAT, &err, "offset 7");
    sgn_frame_decoder_close(d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip), cmocka_unit_test(zstd_reads_shards), cmocka_unit_test(frames_compressed_apart),
        cmocka_unit_test(roles), cmocka_unit_test(fits),
        cmocka_unit_test(writer_refusals), cmocka_unit_test(cut_files_are_refused), cmocka_unit_test(flipped_bits_are_refused),
        cmocka_unit_test(every_value_of_the_json_counts), cmocka_unit_test(bad_json_is_refused),
        cmocka_unit_test(lies_are_refused), cmocka_unit_test(huge_claims_are_refused),
    };
    return check_run(tests);
}
