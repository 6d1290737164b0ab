/* SPDX-License-Identifier: MIT */
#include "export/stage_product.h"

#include <math.h>
#include "core/arena.h"
#include "core/checked.h"
#include "core/kernels/kernels.h"

/* Groups of columns per call of the GEMM; maxima at a time. */
enum { GROUPS = 64, LANES = 16 };

/* What many rows need for the call. */
typedef struct {
    float *x;                                  /* (m, cols), rounded to 8 bits */
    char  *index;                              /* of planes, or of up to GROUPS groups' planes, each `each` bytes */
    size_t each;
    float *scale[2];                           /* (rows) of either plane; (groups, rows) in the first */
    uint64_t *plane[2];                        /* of codes */
} room;

static bool    is_coded(const sgn_lowered_stage *s) { return s->kind == SGN_STAGE_MASKED_SIGN; }
static sgn_code code_of(const sgn_lowered_stage *s) { return is_coded(s) ? s->coded.code : s->kind == SGN_STAGE_TERNARY ? SGN_CODE_TERNARY : SGN_CODE_BINARY; }
static int64_t group_of(const sgn_lowered_stage *s) { return s->kind == SGN_STAGE_GROUP_SIGN ? s->group : s->cols; }
static int64_t groups(const sgn_lowered_stage *s) { return (s->cols + group_of(s) - 1) / group_of(s); }

static sgn_plane group_plane(const sgn_lowered_stage *s, int64_t g, int which) {
    const int64_t at = g * group_of(s), cols = s->cols - at < group_of(s) ? s->cols - at : group_of(s);
    return (sgn_plane){ s->rows, cols, s->plane[which].stride, s->plane[which].word + at / 64 };
}

static size_t index_bytes(const sgn_lowered_stage *s) {
    const sgn_kernels *k = sgn_kernels_get();
    return k->binary_index ? sgn_round_up(k->binary_index_bytes(is_coded(s) ? s->coded.code : SGN_CODE_BINARY, s->rows, group_of(s)), SGN_ALIGN) : 0;
}

static void *take(char *base, size_t *used, size_t bytes) {
    void *at = base && bytes ? base + *used : NULL;
    *used += sgn_round_up(bytes, SGN_ALIGN);
    return at;
}

/* With base NULL only the size is of use. */
static size_t lay_out(const sgn_stage_product *p, int64_t m, char *base, room *r) {
    const sgn_lowered_stage *s = p->stage;
    const bool ternary = s->kind == SGN_STAGE_TERNARY, grouped = s->kind == SGN_STAGE_GROUP_SIGN;
    const int64_t planes = ternary ? 2 : groups(s) < GROUPS ? groups(s) : GROUPS;
    const size_t row = (size_t)s->rows * sizeof(float);
    size_t used = 0;
    r->x = take(base, &used, p->int8 ? (size_t)(m * s->cols) * sizeof(float) : 0);
    r->each = index_bytes(s);
    r->index = take(base, &used, (size_t)planes * r->each);
    r->scale[0] = take(base, &used, ternary || grouped ? (size_t)groups(s) * row : 0);
    r->scale[1] = take(base, &used, ternary ? row : 0);
    for (int i = 0; i < 2; i++) r->plane[i] = take(base, &used, is_coded(s) ? (size_t)(s->rows * sgn_plane_stride(s->cols)) * sizeof(uint64_t) : 0);
    return used;
}

static int64_t most_few(const sgn_stage_product *p) { return sgn_kernels_get()->gemv_rows[p->int8]; }
bool sgn_stage_product_few(const sgn_stage_product *p, int64_t m) { return m <= most_few(p); }

size_t sgn_stage_product_room(const sgn_stage_product *p, int64_t m) {
    room r;
    const int64_t most = most_few(p);
    const size_t one = sgn_gemv_bytes(code_of(p->stage), m < most ? m : most, p->stage->cols, p->int8), many = m <= most ? 0 : lay_out(p, m, NULL, &r);
    return one > many ? one : many;
}

sgn_status sgn_stage_product_check(const sgn_stage_product *p, const char *layer, sgn_error *err) {
    const sgn_lowered_stage *s = p->stage;
    if (s->kind == SGN_STAGE_GROUP_SIGN && (s->group < 64 || s->group % 64))
        SGN_FAIL(err, SGN_UNSUPPORTED, "%s: groups of %lld columns cannot run; 64, 128, 192 ... can", layer, (long long)s->group);
    return sgn_binary_gemm_reserve(s->rows, group_of(s), err);
}

/* y = round(x a / u) u, u = max|x a| / 127, as sgn_kernels.gemv_prepare rounds; a NULL: ones */
static void quantize(const float *x, const float *a, float *y, int64_t n) {
    const float magic = 0x1.8p23f;             /* adding it rounds to an integer, in vectors, as rintf does not */
    float most[LANES] = { 0 };
    for (int64_t j = 0; j < n; j++) y[j] = a ? x[j] * a[j] : x[j];
    for (int64_t j = 0; j < n; j += LANES)
        for (int64_t l = 0; l < LANES && j + l < n; l++) most[l] = fabsf(y[j + l]) > most[l] ? fabsf(y[j + l]) : most[l];
    for (int l = 1; l < LANES; l++) most[0] = most[l] > most[0] ? most[l] : most[0];
    const float scale = most[0] / 127;
    for (int64_t j = 0; j < n; j++) y[j] = scale > 0 ? (y[j] / scale + magic - magic) * scale : 0;
}

/* --- many rows ------------------------------------------------------------------------------------ */

typedef struct { const sgn_stage_product *p; const float *x; float *y; } round_job;

static void round_rows(void *ctx, int64_t begin, int64_t end) {
    const round_job *j = ctx;
    const int64_t cols = j->p->stage->cols;
    for (int64_t t = begin; t < end; t++) quantize(j->x + t * cols, j->p->in_scale, j->y + t * cols, cols);
}

/* Indices of planes, which codes are made first, in one loop, and the scales of groups, rows last. */
typedef struct { const sgn_lowered_stage *s; const sgn_plane *plane, *mask; int64_t count, first; const room *r; } index_job;

static void index_rows(void *ctx, int64_t begin, int64_t end) {
    const index_job *j = ctx;
    if (is_coded(j->s)) sgn_coded_unpack(&j->s->coded, begin, end, j->plane, j->mask);
    for (int64_t g = 0; g < j->count; g++) {
        if (j->r->index)
            sgn_kernels_get()->binary_index(is_coded(j->s) ? j->s->coded.code : SGN_CODE_BINARY, &j->plane[g], j->mask, begin, end, j->r->index + (size_t)g * j->r->each);
        for (int64_t i = begin; j->s->kind == SGN_STAGE_GROUP_SIGN && i < end; i++)
            j->r->scale[0][(j->first + g) * j->s->rows + i] = j->s->v[i * groups(j->s) + j->first + g];
    }
}

static void run_many(const sgn_stage_product *p, const float *x, int64_t m, const float *row_add, bool add, float *y, void *memory) {
    const sgn_lowered_stage *s = p->stage;
    const bool ternary = s->kind == SGN_STAGE_TERNARY, grouped = s->kind == SGN_STAGE_GROUP_SIGN;
    const int64_t all = ternary ? 2 : groups(s);
    sgn_binary_product product[GROUPS];
    sgn_plane plane[GROUPS], mask;
    room r;
    lay_out(p, m, memory, &r);
    mask = (sgn_plane){ s->rows, s->cols, sgn_plane_stride(s->cols), r.plane[1] };
    if (p->int8) sgn_parallel(m, 1, round_rows, &(round_job){ p, x, r.x });
    for (int64_t i = 0; ternary && i < s->rows; i++) {     /* (A x - B x)/2 */
        r.scale[0][i] = p->out_scale ? p->out_scale[i] / 2 : 0.5f;
        r.scale[1][i] = -r.scale[0][i];
    }
    for (int64_t first = 0, n; first < all; first += n) {
        n = all - first < GROUPS ? all - first : GROUPS;
        for (int64_t g = 0; g < n; g++) {
            plane[g] = ternary ? s->plane[g] : is_coded(s) ? (sgn_plane){ s->rows, s->cols, mask.stride, r.plane[0] } : group_plane(s, first + g, 0);
            product[g] = (sgn_binary_product){
                .m = m, .n = s->rows, .k = plane[g].cols, .x = (p->int8 ? r.x : x) + (ternary ? 0 : (first + g) * group_of(s)), .ldx = s->cols,
                .in_scale = p->int8 ? NULL : p->in_scale, .s = &plane[g],
                .mask = is_coded(s) ? &mask : NULL, .code = is_coded(s) ? s->coded.code : SGN_CODE_BINARY, .index = r.index ? r.index + (size_t)g * r.each : NULL,
                .out_scale = grouped ? r.scale[0] + (first + g) * s->rows : ternary ? r.scale[g] : p->out_scale,
                .row_add = first + g ? NULL : row_add, .add = add || first + g > 0, .y = y, .ldy = s->rows };
        }
        sgn_parallel(s->rows, SGN_INDEX_ROWS, index_rows, &(index_job){ s, plane, is_coded(s) ? &mask : NULL, n, first, &r });
        sgn_binary_gemm_sum(product, (int)n);
    }
}

sgn_gemv sgn_stage_product_gemv(const sgn_stage_product *p, const float *x, int64_t m, const float *row_add, bool add, float *y) {
    const sgn_lowered_stage *s = p->stage;
    return (sgn_gemv){ .m = m, .x = x, .ldx = s->cols, .in_scale = p->in_scale,
                       .code = code_of(s), .plane = { &s->plane[0], &s->plane[1] }, .coded = is_coded(s) ? &s->coded : NULL, .group = s->kind == SGN_STAGE_GROUP_SIGN ? s->group : 0,
                       .group_scale = s->v, .out_scale = p->out_scale, .row_add = row_add, .int8 = p->int8, .add = add,
                       .y = y, .ldy = s->rows };
}

void sgn_stage_product_run(const sgn_stage_product *p, const float *x, int64_t m, const float *row_add, bool add, float *y, void *memory) {
    const sgn_gemv g = sgn_stage_product_gemv(p, x, m, row_add, add, y);
    if (sgn_stage_product_few(p, m)) sgn_gemv_run(&g, memory);
    else run_many(p, x, m, row_add, add, y, memory);
}
