/* SPDX-License-Identifier: MIT */
#include "cli/command.h"

#include <stdio.h>
#include <stdlib.h>
#include "core/gemm.h"
#include "core/json.h"
#include "core/parallel.h"
#include "train/plan.h"

typedef struct { bool json; } values;

static const sgn_option options[] = {
    { "json", SGN_OPTION_FLAG, offsetof(values, json), NULL, "print one JSON object, sizes in bytes" },
    { 0 },
};

static const struct { const char *name; size_t offset; const char *what; } parts[] = {
    { "weights", offsetof(sgn_plan, weights), "latent and dense weights, fp32" },
    { "gradients", offsetof(sgn_plan, gradients), "their gradients, fp32" },
    { "planes", offsetof(sgn_plan, planes), "signs in both orientations and index tables" },
    { "optimizer", offsetof(sgn_plan, optimizer), "its moments, fp32" },
    { "activations", offsetof(sgn_plan, activations), "one micro-batch, saved values and gradients" },
    { "teacher", offsetof(sgn_plan, teacher), "its weights and activations" },
    { "mapped", offsetof(sgn_plan, mapped), "of the teacher's files, used where they lie" },
    { "scratch", offsetof(sgn_plan, scratch), "of kernels and the chunked head" },
    { "data", offsetof(sgn_plan, data), "batches read ahead, shard caches" },
    { "saving", offsetof(sgn_plan, saving), "a checkpoint shard while it is built" },
    { "fixed", offsetof(sgn_plan, fixed), "program and libraries" },
    { "total", offsetof(sgn_plan, total), "peak of resident memory" },
};
enum { PARTS = (int)(sizeof parts / sizeof *parts) };

static size_t part(const sgn_plan *p, int i) { return *(const size_t *)(const void *)((const char *)p + parts[i].offset); }

static void print_table(const sgn_plan *p, const sgn_run_config *c) {
    printf("parameters       %12lld   %lld of them binary (%.1f %%)\n", (long long)p->parameters, (long long)p->binary_weights,
           100.0 * (double)p->binary_weights / (double)p->parameters);
    printf("tokens per step  %12lld   %lld steps: %.4g tokens\n", (long long)p->tokens_per_step, (long long)c->train.steps, (double)p->tokens);
    printf("FLOP per token   %12.4g   %.4g for the whole run\n", p->flops_per_token, p->flops_per_token * (double)p->tokens);
    printf("checkpoint       %10.1f MiB   %lld kept\n\nmemory with %d threads, MiB\n", (double)p->checkpoint_bytes / 1048576,
           (long long)c->train.keep, sgn_threads());
    for (int i = 0; i < PARTS; i++) printf("  %-12s %10.1f   %s\n", parts[i].name, (double)part(p, i) / 1048576, parts[i].what);
}

static sgn_status print_json(const sgn_plan *p, sgn_error *err) {
    sgn_json *j = sgn_json_new_object();
    char *text = NULL;
    sgn_json_set(j, "parameters", sgn_json_new_int(p->parameters));
    sgn_json_set(j, "binary_weights", sgn_json_new_int(p->binary_weights));
    sgn_json_set(j, "tokens_per_step", sgn_json_new_int(p->tokens_per_step));
    sgn_json_set(j, "tokens", sgn_json_new_int(p->tokens));
    sgn_json_set(j, "flops_per_token", sgn_json_new_real(p->flops_per_token));
    sgn_json_set(j, "checkpoint_bytes", sgn_json_new_int((int64_t)p->checkpoint_bytes));
    for (int i = 0; i < PARTS; i++) sgn_json_set(j, parts[i].name, sgn_json_new_int((int64_t)part(p, i)));
    const sgn_status s = sgn_json_dump(j, 2, &text, err);
    if (s == SGN_OK) puts(text);
    free(text);
    sgn_json_free(j);
    return s;
}

static sgn_status run(int argc, char **argv, sgn_error *err) {
    values v = { 0 };
    sgn_run_config c;
    sgn_plan p;
    SGN_TRY(sgn_options_parse(options, &v, &argc, argv, err));
    SGN_TRY(sgn_words_expect(argc, argv, 1, argc, err));
    SGN_TRY(sgn_run_config_load(&c, argv[0], (const char *const *)argv + 1, argc - 1, err));
    SGN_TRY(sgn_gemm_init(err));
    SGN_TRY(sgn_plan_make(&c, &p, err));
    if (v.json) return print_json(&p, err);
    print_table(&p, &c);
    return SGN_OK;
}

const sgn_command sgn_command_plan = {
    .name = "plan", .summary = "say what a run will take: memory, disk, FLOP",
    .usage = "CONFIG [KEY=VALUE ...]", .options = options, .run = run,
    .example = "signum plan fbi-130m train.batch=4\nsignum plan tiny distill.teacher=runs/teacher --json",
};
