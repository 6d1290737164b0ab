/* adamw (Loshchilov & Hutter 2019, algorithm 2), g scaled by clipping, t = 1, 2, ...:
 *     m = beta1 m + (1 - beta1) g          v = beta2 v + (1 - beta2) g^2
 *     w = (1 - lr decay) w - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)
 *
 * SPDX-License-Identifier: MIT */
#include "optim/optimizer.h"

#include <math.h>
#include "core/kernels/kernels.h"

enum { M, V };

static void update(const sgn_optim_config *c, const sgn_optim_step *s, const sgn_optim_piece *p) {
    const double t = (double)s->step;
    const sgn_adamw a = {
        .grad_scale = (sgn_real)s->grad_scale, .lr = (sgn_real)s->lr, .weight_decay = (sgn_real)s->weight_decay,
        .beta1 = (sgn_real)c->beta1, .beta2 = (sgn_real)c->beta2, .eps = (sgn_real)c->eps,
        .bias1 = (sgn_real)(1 - pow(c->beta1, t)), .bias2 = (sgn_real)(1 - pow(c->beta2, t)),
    };
    sgn_kernels_get()->adamw(p->w, p->g, p->state[M], p->state[V], p->n, &a);
}

const sgn_optimizer_kind sgn_optimizer_adamw = {
    .name = "adamw", .summary = "Adam with decoupled weight decay",
    .states = 2, .state_name = { "adam_m", "adam_v" }, .update = update,
};
