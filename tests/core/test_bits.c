/* Bit planes: packing, transposing, counting flips, refreshing.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "core/arena.h"
#include "core/bits.h"
#include "core/rng.h"

static const int64_t shapes[][2] = { { 1, 1 }, { 3, 5 }, { 64, 64 }, { 65, 63 }, { 7, 200 }, { 130, 129 }, { 200, 5000 } };
enum { SHAPES = sizeof shapes / sizeof *shapes };

typedef struct { int64_t rows, cols; sgn_real *w; sgn_signs signs; void *memory; size_t bytes; } matrix;

static matrix matrix_make(int64_t rows, int64_t cols) {
    matrix m = { .rows = rows, .cols = cols, .bytes = sgn_signs_bytes(SGN_CODE_BINARY, rows, cols) };
    sgn_error err = { 0 };
    m.w = malloc((size_t)(rows * cols) * sizeof *m.w);
    for (int64_t i = 0; i < rows * cols; i++) m.w[i] = (sgn_real)sgn_rng_normal(1, 2, (uint64_t)i);
    check_ok(sgn_memory_alloc(&m.memory, m.bytes, "signs", &err), &err);
    sgn_signs_place(&m.signs, SGN_CODE_BINARY, rows, cols, m.memory);
    return m;
}
static void matrix_free(matrix *m) {
    free(m->w);
    sgn_memory_free(m->memory, m->bytes);
}

static void planes_hold_signs(void **state) {
    (void)state;
    for (int s = 0; s < SHAPES; s++) {
        matrix m = matrix_make(shapes[s][0], shapes[s][1]);
        m.w[0] = -(sgn_real)0;                                   /* sign(-0) = +1 */
        sgn_plane_pack(&m.signs.rows, m.w, 0, m.rows);
        sgn_signs_refresh(&m.signs);
        sgn_real *back = malloc((size_t)(m.rows * m.cols) * sizeof *back);
        sgn_plane_unpack(&m.signs.rows, back);
        for (int64_t i = 0; i < m.rows; i++)
            for (int64_t j = 0; j < m.cols; j++) {
                const int bit = m.w[i * m.cols + j] >= 0;
                assert_int_equal(sgn_plane_bit(&m.signs.rows, i, j), bit);
                assert_int_equal(sgn_plane_bit(&m.signs.cols, j, i), bit);
                assert_true(back[i * m.cols + j] == (bit ? 1 : -1));
                assert_true(sgn_plane_sign(&m.signs.rows, i, j) == back[i * m.cols + j]);
            }
        const sgn_plane *planes[] = { &m.signs.rows, &m.signs.cols };
        for (int p = 0; p < 2; p++) {
            assert_int_equal(planes[p]->stride, (planes[p]->cols + 63) / 64);
            for (int64_t i = 0; i < planes[p]->rows; i++)
                for (int64_t j = planes[p]->cols; j < planes[p]->stride * 64; j++)
                    assert_int_equal(sgn_plane_bit(planes[p], i, j), 0);
        }
        free(back), matrix_free(&m);
    }
}

static void flips_are_counted(void **state) {
    (void)state;
    matrix m = matrix_make(50, 5000);
    int64_t positive = 0;
    for (int64_t i = 0; i < m.rows * m.cols; i++) positive += m.w[i] >= 0;
    assert_int_equal(sgn_plane_pack(&m.signs.rows, m.w, 0, m.rows), positive);      /* from a plane of zeros */
    assert_int_equal(sgn_plane_pack(&m.signs.rows, m.w, 0, m.rows), 0);
    for (int64_t i = 0; i < 37; i++) m.w[i * 6001] *= -1;                            /* rows 0 .. 44 */
    assert_int_equal(sgn_plane_pack(&m.signs.rows, m.w, 0, 1) + sgn_plane_pack(&m.signs.rows, m.w, 1, 50), 37);
    matrix_free(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(planes_hold_signs), cmocka_unit_test(flips_are_counted) };
    return check_run(tests);
}
