/* model.tie_scales: one alpha for q, k and v, one for gate and up.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "core/rng.h"
#include "model/model_load.h"

static sgn_error err;

static sgn_model_config config(const char *binary) {
    sgn_model_config c = { .dim = 12, .layers = 2, .heads = 3, .kv_heads = 1, .ffn = 10, .vocab = 11, .context = 5, .linear = "fbi", .scales = "column",
                           .tie_scales = true, .rms_eps = 1e-5, .rope_theta = 100, .rope_scaling = 1, .init_std = 0.3 };
    snprintf(c.binary, SGN_TEXT, "%s", binary);
    return c;
}

static int index_of(const sgn_transformer *m, int linear) { return m->blocks[1].linear[linear].p[1]; }

static void who_shares(void **state) {
    (void)state;
    sgn_transformer m;
    sgn_model_config c = config("attention,mlp");
    check_ok(sgn_transformer_init(&m, &c, false, &err), &err);
    assert_true(index_of(&m, SGN_Q) == index_of(&m, SGN_K) && index_of(&m, SGN_Q) == index_of(&m, SGN_V) && index_of(&m, SGN_GATE) == index_of(&m, SGN_UP));
    assert_true(index_of(&m, SGN_O) != index_of(&m, SGN_Q) && index_of(&m, SGN_GATE) != index_of(&m, SGN_Q) && index_of(&m, SGN_DOWN) != index_of(&m, SGN_O));
    assert_true(m.blocks[0].linear[SGN_Q].p[1] != index_of(&m, SGN_Q));
    assert_non_null(sgn_params_find(&m.params, "model.layers.1.self_attn.q_proj.wscale"));
    assert_null(sgn_params_find(&m.params, "model.layers.1.self_attn.v_proj.wscale"));
    sgn_transformer_free(&m);
    c = config("k,v,up");                               /* the first that is of signs has it */
    check_ok(sgn_transformer_init(&m, &c, false, &err), &err);
    assert_true(index_of(&m, SGN_K) == index_of(&m, SGN_V) && index_of(&m, SGN_UP) >= 0);
    assert_non_null(sgn_params_find(&m.params, "model.layers.1.self_attn.k_proj.wscale"));
    sgn_transformer_free(&m);
    snprintf(c.scales, SGN_TEXT, "row");
    check_fails(sgn_transformer_init(&m, &c, false, &err), SGN_CONFIG, &err, "model.tie_scales");
}

/* alpha_j = mean |w_ij| over the rows of all that share it. */
static void derived_from_all(void **state) {
    (void)state;
    sgn_transformer m;
    const sgn_model_config c = config("attention,mlp");
    check_ok(sgn_transformer_init(&m, &c, false, &err), &err);
    check_ok(sgn_transformer_commit(&m, &err), &err);
    sgn_transformer_randomize(&m, 3);
    for (int j = 0; j < 12; j++) {
        double sum = 0, rows = 0;
        for (int k = SGN_Q; k <= SGN_V; k++) {
            const sgn_linear *l = &m.blocks[1].linear[k];
            for (int64_t i = 0; i < l->out; i++, rows++) sum += fabs((double)sgn_linear_param(l, l->p[0])->data[i * 12 + j]);
        }
        check_close(m.params.at[index_of(&m, SGN_K)].tensor.data[j], sum / rows, 1e-6, 0);
    }
    sgn_transformer_free(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(who_shares), cmocka_unit_test(derived_from_all) };
    return check_run(tests);
}
