/* Products by SGEMM against plain loops, and the choice between them and tables: forced, measured, cached, recorded.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "core/arena.h"
#include "core/gemm.h"
#include "core/kernels/kernels.h"
#include "core/parallel.h"
#include "core/products.h"
#include "core/rng.h"

static sgn_error err;

static int begin(void **state) {
    return sgn_gemm_init(&err) == SGN_OK ? check_begin(state) : -1;
}

/* --- products by SGEMM ------------------------------------------------------------------------------- */

enum { PAD = 5, IN = 1, OUT = 2, ROW = 4, ADD = 8 };

typedef struct { int64_t m, n, k; float *x, *in, *out, *row, *before, *y; sgn_plane s; void *index; } problem;

static float *normals(int64_t n, uint64_t stream) {
    float *x = malloc((size_t)n * sizeof *x);
    assert_non_null(x);
    for (int64_t i = 0; i < n; i++) x[i] = (float)sgn_rng_normal(5, stream, (uint64_t)i);
    return x;
}

static problem make(int64_t m, int64_t n, int64_t k) {
    problem p = { .m = m, .n = n, .k = k, .x = normals(m * (k + PAD), 1), .in = normals(k, 2), .out = normals(n, 3), .row = normals(m, 4),
                  .before = normals(m * (n + PAD), 5), .y = normals(m * (n + PAD), 5), .s = { n, k, sgn_plane_stride(k), NULL } };
    p.s.word = calloc((size_t)(n * p.s.stride), sizeof *p.s.word);
    float *w = normals(n * k, 6);
    sgn_plane_pack(&p.s, w, 0, n);
    const sgn_kernels *kernels = sgn_kernels_get();
    if (kernels->binary_index && kernels->binary_index_bytes(SGN_CODE_BINARY, n, k)) {
        p.index = aligned_alloc(SGN_ALIGN, (kernels->binary_index_bytes(SGN_CODE_BINARY, n, k) + SGN_ALIGN - 1) / SGN_ALIGN * SGN_ALIGN);
        sgn_plane_index(&p.s, p.index);
    }
    free(w);
    return p;
}
static void problem_free(problem *p) {
    free(p->x), free(p->in), free(p->out), free(p->row), free(p->before), free(p->y), free(p->s.word), free(p->index);
}

static sgn_binary_product product_of(const problem *p, int options) {
    return (sgn_binary_product){
        .m = p->m, .n = p->n, .k = p->k, .x = p->x, .ldx = p->k + PAD, .s = &p->s, .index = p->index,
        .in_scale = options & IN ? p->in : NULL, .out_scale = options & OUT ? p->out : NULL,
        .row_add = options & ROW ? p->row : NULL, .add = options & ADD, .y = p->y, .ldy = p->n + PAD };
}

static double expected(const problem *p, int options, int64_t i, int64_t j) {
    double sum = 0;
    for (int64_t l = 0; l < p->k; l++)
        sum += (double)p->x[i * (p->k + PAD) + l] * (options & IN ? (double)p->in[l] : 1) * (double)sgn_plane_sign(&p->s, j, l);
    if (options & OUT) sum *= (double)p->out[j];
    if (options & ROW) sum += (double)p->row[i];
    return sum + (options & ADD ? (double)p->before[i * (p->n + PAD) + j] : 0);
}

/* Within 1e-6 of the norm, as the tables are; nothing beside Y is touched. */
static void check_product(const problem *p, int options) {
    double error = 0, norm = 0;
    for (int64_t i = 0; i < p->m; i++)
        for (int64_t j = 0; j < p->n + PAD; j++) {
            const float y = p->y[i * (p->n + PAD) + j];
            const double e = j < p->n ? expected(p, options, i, j) : (double)p->before[i * (p->n + PAD) + j];
            if (j >= p->n) assert_true((double)y == e);
            error += ((double)y - e) * ((double)y - e);
            norm += e * e;
        }
    if (!(sqrt(error) <= 1e-6 * sqrt(norm)))
        fail_msg("%lld x %lld x %lld, options %d: error %g of %g", (long long)p->m, (long long)p->n, (long long)p->k, options, sqrt(error), sqrt(norm));
}

static void sgemm_gives_the_same_products(void **state) {
    (void)state;
    static const int64_t shape[][3] = { { 1, 1, 1 }, { 2, 3, 5 }, { 7, 65, 63 }, { 9, 64, 64 }, { 5, 70, 65 }, { 1, 300, 777 },
                                        { 33, 257, 513 }, { 390, 30, 40 }, { 3, 20, 1537 }, { 800, 1030, 70 } };
    for (int way = 0; way < 2; way++) {
        check_ok(sgn_products_use(way ? "sgemm" : "table", &err), &err);
        for (size_t s = 0; s < sizeof shape / sizeof *shape; s++)
            for (int options = 0; options < 16; options += shape[s][0] * shape[s][1] > 10000 ? 5 : 1) {
                problem p = make(shape[s][0], shape[s][1], shape[s][2]);
                const sgn_binary_product product = product_of(&p, options);
                check_ok(sgn_binary_gemm(&product, &err), &err);
                check_product(&p, options);
                problem_free(&p);
            }
    }
}

static void threads_do_not_change_sgemm(void **state) {
    (void)state;
    check_ok(sgn_products_use("sgemm", &err), &err);
    for (int64_t m = 1; m <= 1000; m += 333) {
        problem p = make(m, 700, 600), q = make(m, 700, 600);
        sgn_binary_product one = product_of(&p, IN | OUT | ROW | ADD), other = product_of(&q, IN | OUT | ROW | ADD);
        for (int threads = 2; threads <= 3; threads++) {
            sgn_threads_set(1);
            check_ok(sgn_binary_gemm(&one, &err), &err);
            sgn_threads_set(threads);
            check_ok(sgn_binary_gemm(&other, &err), &err);
            assert_memory_equal(p.y, q.y, (size_t)(m * one.ldy) * sizeof *p.y);
        }
        problem_free(&p), problem_free(&q);
    }
    sgn_threads_set(0);
}

/* A row with a NaN or an infinity stays alone with it. */
static void odd_values_stay_in_their_row(void **state) {
    (void)state;
    check_ok(sgn_products_use("sgemm", &err), &err);
    problem p = make(9, 40, 100);
    p.x[2 * (p.k + PAD) + 7] = NAN;
    p.x[5 * (p.k + PAD) + 99] = INFINITY;
    const sgn_binary_product product = product_of(&p, IN);
    check_ok(sgn_binary_gemm(&product, &err), &err);
    for (int64_t i = 0; i < p.m; i++)
        for (int64_t j = 0; j < p.n; j++) assert_true(isfinite(p.y[i * product.ldy + j]) == (i != 2 && i != 5));
    problem_free(&p);
}

/* --- choosing -------------------------------------------------------------------------------------------- */

static const char *cache_file(void) { return check_path("signum/products.json"); }

static void start(const char *name) {
    check_ok(sgn_products_use(name, &err), &err);
    sgn_products_expect(64, 96);
    sgn_products_expect(96, 64);
}

static char *record_text(void) {
    char *text;
    sgn_json *record = sgn_products_record();
    check_ok(sgn_json_dump(record, 0, &text, &err), &err);
    sgn_json_free(record);
    return text;
}

static void write_text(const char *path, const char *text) { check_ok(sgn_file_write(path, text, strlen(text), &err), &err); }

/* The cache with every choice turned into its opposite. */
static void turn_cache(void) {
    char *text;
    size_t size;
    check_ok(sgn_file_read(cache_file(), 1 << 20, &text, &size, &err), &err);
    for (char *at = text; *at; at++) {
        if (strncmp(at, "\"table\"", 7) == 0) memcpy(at, "\"sgemm\"", 7);
        else if (strncmp(at, "\"sgemm\"", 7) == 0) memcpy(at, "\"table\"", 7);
    }
    write_text(cache_file(), text);
    free(text);
}

static void ways_are_forced(void **state) {
    (void)state;
    check_fails(sgn_products_use("fpga", &err), SGN_CONFIG, &err, "fpga");
    assert_int_equal(setenv("SIGNUM_PRODUCTS", "sgemm", 1), 0);
    start(NULL);
    assert_int_equal(sgn_products_way(1, 64, 96), SGN_PRODUCT_SGEMM);
    assert_int_equal(sgn_products_way(1, 1, 1), SGN_PRODUCT_SGEMM);
    assert_int_equal(setenv("SIGNUM_PRODUCTS", "table", 1), 0);
    start(NULL);
    check_ok(sgn_products_settle(31, &err), &err);
    assert_int_equal(sgn_products_way(100, 64, 96), SGN_PRODUCT_TABLE);
    assert_false(sgn_products_any(SGN_PRODUCT_SGEMM));
    char *text = record_text();
    assert_string_equal(text, "{\"one 64x96\": \"table\", \"few 64x96\": \"table\", \"one 96x64\": \"table\", \"few 96x64\": \"table\"}");
    free(text);
    assert_false(sgn_file_exists(cache_file()));
}

static void choices_are_cached(void **state) {
    (void)state;
    start("auto");
    check_ok(sgn_products_settle(100, &err), &err);
    const sgn_product_way first = sgn_products_way(100, 64, 96), second = sgn_products_way(100, 96, 64);
    assert_true(sgn_file_exists(cache_file()));
    turn_cache();                                          /* so what is read can be told from what is measured */
    for (int threads = 1; threads <= 2; threads++) {
        sgn_threads_set(threads);
        start("auto");
        check_ok(sgn_products_settle(50, &err), &err);
        assert_int_equal(sgn_products_way(32, 64, 96), !first);
        assert_int_equal(sgn_products_way(4000, 96, 64), !second);
    }
    sgn_threads_set(0);
    start("auto");
    assert_int_equal(sgn_products_way(100, 64, 96), SGN_PRODUCT_TABLE);        /* before anything is chosen */
    check_ok(sgn_products_recall(&err), &err);
    assert_int_equal(sgn_products_way(100, 64, 96), !first);
    assert_int_equal(sgn_products_way(100, 64, 64), SGN_PRODUCT_TABLE);
    sgn_products_expect(32, 32);
    check_ok(sgn_products_settle(100, &err), &err);                              /* adds, and leaves the others */
    assert_int_equal(sgn_products_way(100, 96, 64), !second);
    start("auto");
    check_ok(sgn_products_recall(&err), &err);
    assert_int_equal(sgn_products_way(100, 96, 64), !second);
}

/* What another process has cached while this one measured wins in both places. */
static void the_first_choice_wins(void **state) {
    (void)state;
    start("auto");
    check_ok(sgn_products_settle(1, &err), &err);        /* only "one" */
    sgn_json *cached = sgn_products_cache_read(), *mine = sgn_json_new_object();
    const char *was = sgn_json_string(sgn_json_get(cached, "one 64x96"), "");
    sgn_json_set(mine, "one 64x96", sgn_json_new_string(strcmp(was, "table") == 0 ? "sgemm" : "table"));
    sgn_json_set(mine, "one 7x9", sgn_json_new_string("sgemm"));
    sgn_products_cache_add(mine);
    assert_string_equal(sgn_json_string(sgn_json_get(mine, "one 64x96"), ""), was);
    sgn_json *now = sgn_products_cache_read();
    assert_string_equal(sgn_json_string(sgn_json_get(now, "one 64x96"), ""), was);
    assert_string_equal(sgn_json_string(sgn_json_get(now, "one 7x9"), ""), "sgemm");
    sgn_json_free(cached), sgn_json_free(mine), sgn_json_free(now);
}

static void a_damaged_cache_is_measured_again(void **state) {
    (void)state;
    static const char *const damage[] = { "", "{", "[1, 2]", "{\"version\": 99}", "{\"version\": 1, \"a\": 3}" };
    for (size_t i = 0; i < sizeof damage / sizeof *damage; i++) {
        write_text(cache_file(), damage[i]);
        start("auto");
        check_ok(sgn_products_settle(100, &err), &err);
        sgn_json *cached = sgn_products_cache_read();
        assert_int_equal(sgn_json_size(cached), 6);
        sgn_json_free(cached);
    }
    char *text;
    size_t size;
    check_ok(sgn_file_read(cache_file(), 1 << 20, &text, &size, &err), &err);
    for (char *at; (at = strstr(text, "\"table\"")) || (at = strstr(text, "\"sgemm\""));) memcpy(at, "\"fpga!\"", 7);
    write_text(cache_file(), text);
    free(text);
    start("auto");
    check_ok(sgn_products_settle(100, &err), &err);
    sgn_json *cached = sgn_products_cache_read();
    assert_int_equal(sgn_json_size(cached), 6);
    sgn_json_free(cached);
}

static void no_cache_is_no_error(void **state) {
    (void)state;
    write_text(check_path("file"), "");
    const char *const nowhere[] = { check_path("file"), "/proc/none", "relative" };
    for (int i = 0; i < 3; i++) {
        assert_int_equal(setenv("XDG_CACHE_HOME", nowhere[i], 1), 0);
        assert_int_equal(setenv("HOME", nowhere[i], 1), 0);
        start("auto");
        check_ok(sgn_products_recall(&err), &err);
        assert_int_equal(sgn_products_way(100, 64, 96), SGN_PRODUCT_TABLE);
        check_ok(sgn_products_settle(100, &err), &err);
    }
    assert_int_equal(setenv("XDG_CACHE_HOME", check_directory, 1), 0);
}

/* --- records --------------------------------------------------------------------------------------------- */

static sgn_status restore(const char *text, bool *differ) {
    sgn_json *record = NULL;
    if (text) check_ok(sgn_json_parse(&record, text, strlen(text), "a record", &err), &err);
    const sgn_status s = sgn_products_restore(record, "a record", differ, &err);
    sgn_json_free(record);
    return s;
}

static void records_come_back(void **state) {
    (void)state;
    static const char record[] = "{\"many 64x96\": \"sgemm\", \"one 96x64\": \"sgemm\", \"many 96x64\": \"table\"}";
    bool differ;
    start("auto");
    check_ok(restore(record, &differ), &err);
    assert_false(differ);
    char *text = record_text();
    assert_string_equal(text, record);
    free(text);
    assert_int_equal(sgn_products_way(100, 64, 96), SGN_PRODUCT_SGEMM);
    assert_int_equal(sgn_products_way(2, 64, 96), SGN_PRODUCT_TABLE);
    problem p = make(40, 64, 96);                        /* scratch was reserved */
    const sgn_binary_product product = product_of(&p, OUT);
    sgn_binary_gemm_run(&product);
    check_product(&p, OUT);
    problem_free(&p);
    check_ok(restore(NULL, &differ), &err);              /* from before there was a choice */
    assert_false(sgn_products_any(SGN_PRODUCT_SGEMM));
    assert_false(differ);
    start("table");
    check_ok(restore(record, &differ), &err);
    assert_true(differ);
    assert_int_equal(sgn_products_way(100, 64, 96), SGN_PRODUCT_TABLE);
    start("sgemm");
    check_ok(restore(NULL, &differ), &err);
    assert_true(differ);
}

static void records_are_checked(void **state) {
    (void)state;
    static const char *const bad[] = { "[]", "{\"many 64x96\": 1}", "{\"many 64x96\": \"fpga\"}", "{\"much 64x96\": \"table\"}",
                                       "{\"many 64x\": \"table\"}", "{\"many 64x96 \": \"table\"}", "{\"many 0x96\": \"table\"}",
                                       "{\"many 64x-1\": \"table\"}" };
    bool differ;
    start("auto");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) check_fails(restore(bad[i], &differ), SGN_FORMAT, &err, "a record");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sgemm_gives_the_same_products), cmocka_unit_test(threads_do_not_change_sgemm),
        cmocka_unit_test(odd_values_stay_in_their_row), cmocka_unit_test(ways_are_forced), cmocka_unit_test(choices_are_cached),
        cmocka_unit_test(the_first_choice_wins), cmocka_unit_test(a_damaged_cache_is_measured_again),
        cmocka_unit_test(no_cache_is_no_error), cmocka_unit_test(records_come_back), cmocka_unit_test(records_are_checked),
    };
    return cmocka_run_group_tests(tests, begin, check_end);
}
