/* SPDX-License-Identifier: MIT */
#include "core/products.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/arena.h"
#include "core/checked.h"
#include "core/clock.h"
#include "core/gemm.h"
#include "core/kernels/product_sgemm.h"
#include "core/parallel.h"
#include "core/rng.h"

enum { SHAPES = 256, CLASSES = 3, OPEN = -1, AUTO = -2, UNREAD = -3 };

static const char *const class_name[CLASSES] = { "one", "few", "many" };
static const int64_t class_end[CLASSES] = { 2, 32, INT64_MAX };
static const char *const way_name[] = { "table", "sgemm" };

typedef struct { int64_t n, k; bool expected; signed char way[CLASSES]; } shape;

static shape shapes[SHAPES];
static int   count;
static int   forced = UNREAD;              /* a way, or AUTO */

static int class_of(int64_t m) {
    int c = 0;
    while (m >= class_end[c]) c++;
    return c;
}

static int way_named(const char *name) {
    for (int w = 0; w < 2; w++)
        if (strcmp(name, way_name[w]) == 0) return w;
    return OPEN;
}

sgn_status sgn_products_use(const char *name, sgn_error *err) {
    const char *asked = name ? name : getenv("SIGNUM_PRODUCTS");
    if (!asked || !*asked) asked = "auto";
    const int way = strcmp(asked, "auto") == 0 ? AUTO : way_named(asked);
    if (way == OPEN) SGN_FAIL(err, SGN_CONFIG, "products = '%.40s' is none of auto, table, sgemm (train.products, SIGNUM_PRODUCTS)", asked);
    count = 0;
    forced = way;
    return SGN_OK;
}

static int forced_way(void) {
    if (forced == UNREAD && sgn_products_use(NULL, NULL) != SGN_OK) forced = AUTO;
    return forced;
}

static shape *find(int64_t n, int64_t k) {
    for (int i = 0; i < count; i++)
        if (shapes[i].n == n && shapes[i].k == k) return &shapes[i];
    return NULL;
}

static shape *find_or_add(int64_t n, int64_t k) {
    shape *s = find(n, k);
    if (s || count == SHAPES) return s;
    shapes[count] = (shape){ .n = n, .k = k };
    memset(shapes[count].way, OPEN, sizeof shapes[count].way);
    return &shapes[count++];
}

void sgn_products_expect(int64_t n, int64_t k) {
    forced_way();
    shape *s = find_or_add(n, k);
    if (s) s->expected = true;
}

sgn_product_way sgn_products_way(int64_t m, int64_t n, int64_t k) {
    const int way = forced_way();
    if (way >= 0) return (sgn_product_way)way;
    const shape *s = find(n, k);
    return s && s->way[class_of(m)] == SGN_PRODUCT_SGEMM ? SGN_PRODUCT_SGEMM : SGN_PRODUCT_TABLE;
}

bool sgn_products_any(sgn_product_way way) {
    if (forced_way() >= 0) return forced == (int)way;
    for (int i = 0; i < count; i++)
        for (int c = 0; c < CLASSES; c++)
            if (shapes[i].way[c] == (int)way) return true;
    return false;
}

/* --- measuring --------------------------------------------------------------------------------- */

/* Parts of large shapes stand for them: what decides is the price per weight. */
enum { MOST_N = 384, MOST_K = 512, ROUNDS = 5 };
static const int64_t class_m[CLASSES] = { 1, 8, 64 };

/* Seconds of a call that goes this way; a mean over 0.3 ms. */
static double seconds(const sgn_binary_product *p, sgn_product_way way) {
    const int before = forced;
    forced = (int)way;
    const double start = sgn_clock_thread();
    double passed;
    int calls = 0;
    do {
        sgn_binary_gemm_run(p);
        calls++;
        passed = sgn_clock_thread() - start;
    } while (passed < 0.3e-3);
    forced = before;
    return passed / calls;
}

static int by_value(const void *a, const void *b) {
    const double d = *(const double *)a - *(const double *)b;
    return (d > 0) - (d < 0);
}

/* SGEMM has to be faster by a tenth: what is nearly equal is better always the same. */
static sgn_product_way faster(const sgn_binary_product *p) {
    double gain[ROUNDS];
    seconds(p, SGN_PRODUCT_TABLE), seconds(p, SGN_PRODUCT_SGEMM);      /* pages, caches */
    for (int r = 0; r < ROUNDS; r++) {
        const double table = seconds(p, SGN_PRODUCT_TABLE);
        gain[r] = table / seconds(p, SGN_PRODUCT_SGEMM);
        if (r == 0 && gain[0] > 3) return SGN_PRODUCT_SGEMM;           /* the slow way is not worth four more */
    }
    qsort(gain, ROUNDS, sizeof *gain, by_value);
    return gain[ROUNDS / 2] > 1.1 ? SGN_PRODUCT_SGEMM : SGN_PRODUCT_TABLE;
}

static sgn_status measure(const shape *s, int class, sgn_product_way *way, sgn_error *err) {
    const int64_t m = class_m[class], n = s->n < MOST_N ? s->n : MOST_N, k = s->k < MOST_K ? s->k : MOST_K;
    const size_t reals = sgn_round_up((size_t)(m * k + m * n) * sizeof(sgn_real), SGN_ALIGN), bytes = reals + sgn_signs_bytes(SGN_CODE_BINARY, n, k);
    void *memory;
    SGN_TRY(sgn_scratch_reserve(SGN_SCRATCH_KERNEL, sgn_kernels_get()->binary_scratch(n, k), err));
    SGN_TRY(sgn_scratch_reserve(SGN_SCRATCH_KERNEL, sgn_product_sgemm_scratch(), err));
    SGN_TRY(sgn_gemm_probe(err));
    SGN_TRY(sgn_memory_alloc(&memory, bytes, "the measurement of a product", err));
    sgn_real *x = memory;
    sgn_signs signs;
    sgn_signs_place(&signs, SGN_CODE_BINARY, n, k, (char *)memory + reals);
    for (int64_t i = 0; i < m * k; i++) x[i] = (sgn_real)(2 * sgn_rng_uniform(1, 0, (uint64_t)i) - 1);
    for (int64_t i = 0; i < n * signs.rows.stride; i++)
        signs.rows.word[i] = sgn_rng_bits(1, 1, (uint64_t)i) &
                             (i % signs.rows.stride == k / 64 ? (UINT64_C(1) << k % 64) - 1 : UINT64_MAX);
    sgn_signs_refresh(&signs);
    *way = faster(&(sgn_binary_product){ .m = m, .n = n, .k = k, .x = x, .ldx = k, .s = &signs.rows, .index = signs.rows_index,
                                         .y = x + m * k, .ldy = n });
    sgn_memory_free(memory, bytes);
    return SGN_OK;
}

/* --- choosing ------------------------------------------------------------------------------------ */

typedef struct { char s[64]; } entry_key;

static entry_key key_of(const shape *s, int class) {
    entry_key key;
    snprintf(key.s, sizeof key.s, "%s %lldx%lld", class_name[class], (long long)s->n, (long long)s->k);
    return key;
}

static int read_way(const sgn_json *record, const shape *s, int class) {
    return way_named(sgn_json_string(sgn_json_get(record, key_of(s, class).s), ""));
}

static void put_way(sgn_json *record, const shape *s, int class, int way) {
    sgn_json_set(record, key_of(s, class).s, sgn_json_new_string(way_name[way]));
}

static sgn_status reserve(sgn_error *err) {
    if (!sgn_products_any(SGN_PRODUCT_SGEMM)) return SGN_OK;
    return sgn_scratch_reserve(SGN_SCRATCH_KERNEL, sgn_product_sgemm_scratch(), err);
}

/* Measures what is still open, with one thread: choices hold for any number. */
static sgn_status measure_open(int last, sgn_json *fresh, sgn_error *err) {
    const int threads = sgn_threads();
    sgn_status s = SGN_OK;
    sgn_threads_set(1);
    for (int i = 0; i < count; i++)
        for (int c = 0; s == SGN_OK && c <= last; c++) {
            sgn_product_way way;
            if (!shapes[i].expected || shapes[i].way[c] != OPEN) continue;
            s = measure(&shapes[i], c, &way, err);
            if (s == SGN_OK) put_way(fresh, &shapes[i], c, (int)way);
        }
    sgn_threads_set(threads);
    return s;
}

static void take(const sgn_json *record) {
    for (int i = 0; i < count; i++)
        for (int c = 0; c < CLASSES; c++)
            if (shapes[i].expected && shapes[i].way[c] == OPEN) shapes[i].way[c] = (signed char)read_way(record, &shapes[i], c);
}

static void take_cached(void) {
    sgn_json *cache = sgn_products_cache_read();
    take(cache);
    sgn_json_free(cache);
}

static sgn_status settle_auto(int last, sgn_error *err) {
    take_cached();
    sgn_json *fresh = sgn_json_new_object();
    const sgn_status s = measure_open(last, fresh, err);
    if (s == SGN_OK && sgn_json_size(fresh)) sgn_products_cache_add(fresh);
    if (s == SGN_OK) take(fresh);
    sgn_json_free(fresh);
    return s;
}

sgn_status sgn_products_settle(int64_t m, sgn_error *err) {
    const int last = class_of(m), way = forced_way();
    if (way == AUTO) SGN_TRY(settle_auto(last, err));
    else
        for (int i = 0; i < count; i++) memset(shapes[i].way, way, (size_t)last + 1);
    return reserve(err);
}

sgn_status sgn_products_recall(sgn_error *err) {
    if (forced_way() == AUTO && count) take_cached();
    return reserve(err);
}

/* --- records --------------------------------------------------------------------------------------- */

sgn_json *sgn_products_record(void) {
    sgn_json *record = sgn_json_new_object();
    for (int i = 0; i < count; i++)
        for (int c = 0; c < CLASSES; c++)
            if (shapes[i].way[c] != OPEN) put_way(record, &shapes[i], c, shapes[i].way[c]);
    return record;
}

static sgn_status restore_one(const char *key, const char *name, const char *where, bool *differ, sgn_error *err) {
    char class[8];
    long long n, k;
    int c = 0, end = 0;
    const int way = way_named(name);
    const bool read = sscanf(key, "%7s %lldx%lld%n", class, &n, &k, &end) == 3 && !key[end] && n > 0 && k > 0;
    while (read && c < CLASSES && strcmp(class, class_name[c]) != 0) c++;
    if (!read || c == CLASSES || way == OPEN)
        SGN_FAIL(err, SGN_FORMAT, "%s: \"%.40s\": \"%.40s\" is no choice like \"many 768x2048\": \"table\"", where, key, name);
    shape *s = find_or_add(n, k);
    if (!s) SGN_FAIL(err, SGN_FORMAT, "%s: has more than %d shapes", where, SHAPES);
    if (forced >= 0 && forced != way) *differ = true;
    s->way[c] = (signed char)(forced >= 0 ? forced : way);
    return SGN_OK;
}

sgn_status sgn_products_restore(const sgn_json *record, const char *where, bool *differ, sgn_error *err) {
    *differ = !record && forced_way() == SGN_PRODUCT_SGEMM;
    if (record && sgn_json_typeof(record) != SGN_JSON_OBJECT) SGN_FAIL(err, SGN_FORMAT, "%s: is no object of choices", where);
    forced_way();
    for (int i = 0; i < count; i++) memset(shapes[i].way, OPEN, sizeof shapes[i].way);
    for (void *it = sgn_json_iter(record); it; it = sgn_json_next(record, it))
        SGN_TRY(restore_one(sgn_json_iter_key(it), sgn_json_string(sgn_json_iter_value(it), ""), where, differ, err));
    return reserve(err);
}
