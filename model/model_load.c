/* SPDX-License-Identifier: MIT */
#include "model/model_load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/digest.h"
#include "core/log.h"
#include "model/adapter.h"
#include "model/model_infer.h"
#include "model/names.h"
#include "model/packed_arrays.h"
#include "model/param_read.h"

enum { CONFIG_LIMIT = 1 << 20 };

/* --- which directory --------------------------------------------------------------------------- */

static sgn_status newest_checkpoint(const char *run, const char *what, bool verify, sgn_path *out, sgn_error *err) {
    sgn_path folder;
    char **names;
    int count;
    SGN_TRY(sgn_path_set(&folder, err, "%s/checkpoints", run));
    SGN_TRY(sgn_directory_list(folder.s, "step-", "", &names, &count, err));
    sgn_error why = { 0 };
    sgn_status s = SGN_IO;
    int i = count - 1;
    for (; i >= 0; i--) {
        if ((s = sgn_path_set(out, err, "%s/%s", folder.s, names[i])) != SGN_OK) break;
        if (!verify || (s = sgn_manifest_verify(out->s, &why)) == SGN_OK) break;
    }
    sgn_names_free(names, count);
    if (s == SGN_OK && why.status) sgn_warn("%s: %s is taken, for newer ones are broken: %s", what, out->s, why.text);
    if (s == SGN_OK || i >= 0) return s;
    SGN_FAIL(err, SGN_IO, "%s: the run '%s' has no complete checkpoint%s%s; train it until it has saved one",
             what, run, count ? ": " : "", why.text);
}

static bool holds(const char *directory, const char *prefix, const char *suffix) {
    char **names;
    int count;
    if (sgn_directory_list(directory, prefix, suffix, &names, &count, NULL) != SGN_OK) return false;
    sgn_names_free(names, count);
    return count > 0;
}

static sgn_status find(const char *where, const char *what, bool verify, sgn_path *out, sgn_error *err) {
    if (!sgn_is_directory(where)) {
        if (sgn_file_exists(where)) return sgn_path_set(out, err, "%s", where);
        SGN_FAIL(err, SGN_IO, "%s: '%s' is not there; give a run, a checkpoint, a packed or a Hugging Face directory, a .gguf file or "
                 "a llama2.c .bin", what, where);
    }
    sgn_path checkpoints;
    SGN_TRY(sgn_path_set(&checkpoints, err, "%s/checkpoints", where));
    if (sgn_is_directory(checkpoints.s)) return newest_checkpoint(where, what, verify, out, err);
    if (!holds(where, "", ".safetensors") && !holds(where, "shard-", ".h5") && !holds(where, "", ".gguf") && !holds(where, "", ".bin") &&
        !holds(where, "config.json", ""))
        SGN_FAIL(err, SGN_IO, "%s: '%s' holds no model: no checkpoints/, no *.safetensors, *.gguf or *.bin, no shard-*.h5", what, where);
    return sgn_path_set(out, err, "%s", where);
}

sgn_status sgn_model_resolve(const char *where, const char *what, sgn_path *out, sgn_error *err) { return find(where, what, true, out, err); }
sgn_status sgn_model_find(const char *where, const char *what, sgn_path *out, sgn_error *err) { return find(where, what, false, out, err); }

/* Where the arrays cannot be read, loading them will say so. */
static void infer(const char *directory, sgn_model_config *c) {
    sgn_array_set set;
    if (sgn_array_set_open(&set, directory, NULL) != SGN_OK) return;
    sgn_model_infer(c, &set);
    sgn_array_set_close(&set);
}

bool sgn_model_has_config(const char *directory) {
    sgn_path path;
    if (sgn_path_set(&path, NULL, "%s/config.json", directory) != SGN_OK) return false;
    if (sgn_file_exists(path.s)) return true;
    sgn_array_set set;
    if (sgn_array_set_open(&set, directory, NULL) != SGN_OK) return false;
    const bool named = set.names;
    sgn_array_set_close(&set);
    return named;
}

/* What archives with names of their own say of the shape; *found: they are such. */
static sgn_status config_of_archive(const char *directory, sgn_model_config *c, bool *found, sgn_error *err) {
    sgn_array_set set;
    *found = false;
    if (sgn_is_directory(directory) && !holds(directory, "", ".gguf") && !holds(directory, "", ".bin")) return SGN_OK;
    SGN_TRY(sgn_array_set_open(&set, directory, err));
    *found = set.names != NULL;
    const sgn_status s = *found ? set.names->config(c, &set.at[0], err) : SGN_OK;
    sgn_array_set_close(&set);
    return s;
}

sgn_status sgn_model_load_config(const char *directory, const sgn_model_config *like, sgn_model_config *c, sgn_error *err) {
    sgn_path path;
    SGN_TRY(sgn_path_set(&path, err, "%s/config.json", directory));
    if (!sgn_file_exists(path.s)) {
        bool found;
        SGN_TRY(config_of_archive(directory, c, &found, err));
        if (found) return SGN_OK;
        if (!like && !sgn_is_directory(directory))
            SGN_FAIL(err, SGN_CONFIG, "%s is one file of a model, and does not say what shape that has; name its directory", directory);
        if (!like) SGN_FAIL(err, SGN_IO, "%s is not there; it says what shape the model has, as Hugging Face writes it", path.s);
        sgn_warn("%s is not there; the model is taken to have the student's shape, heads and rotary angles", path.s);
        *c = *like;
        infer(directory, c);
        return SGN_OK;
    }
    sgn_json *j;
    SGN_TRY(sgn_json_load(&j, path.s, CONFIG_LIMIT, err));
    const sgn_status s = sgn_model_config_from_json(c, j, path.s, err);
    if (s == SGN_OK && sgn_json_typeof(sgn_json_get(j, "signum")) != SGN_JSON_OBJECT) infer(directory, c);
    sgn_json_free(j);
    return s;
}

/* --- all of them ------------------------------------------------------------------------------------ */

typedef enum { UNREAD, FOUND, FROM_SIGNS, ABSENT } origin;

/* A derived scale is a mean of |latents|, and a learned one may bound them (paretoq): +-1 as read, or 0, become numbers of which it is that mean. */
static sgn_status rescale(const sgn_transformer *m, const sgn_array_set *set, const sgn_param *p, sgn_error *err) {
    if (!p->rule || p->scale < 0) return SGN_OK;
    const sgn_param *scale = &m->params.at[p->scale];
    bool found;
    SGN_TRY(sgn_param_read(m, set, scale, &found, err));
    if (!found) return sgn_param_missing(set, &m->config, scale, err);
    const int64_t groups = sgn_numel(scale->tensor.shape), n = sgn_numel(p->tensor.shape) / groups;
    for (int64_t g = 0; g < groups; g++) {
        sgn_real *w = p->tensor.data + g * n;
        int64_t kept = 0;
        for (int64_t k = 0; k < n; k++) kept += w[k] != 0;
        for (int64_t k = 0; k < n; k++) w[k] *= (sgn_real)((double)scale->tensor.data[g] * (double)n / (double)(kept ? kept : 1));
    }
    return SGN_OK;
}

/* Latents, zones and scales of a layer of zones, declared one after the other. */
static sgn_status read_zones(const sgn_transformer *m, const sgn_array_set *set, int i, origin *from, sgn_error *err) {
    const sgn_param *p = &m->params.at[i];
    bool found;
    SGN_TRY(sgn_param_read(m, set, &p[2], &found, err));
    if (!found) return sgn_param_missing(set, &m->config, &p[2], err);
    SGN_TRY(sgn_param_check(set, &p[2], err));
    from[i] = from[i + 1] = from[i + 2] = FOUND;
    return sgn_packed_read_zones(set, p, &p[2].tensor, &p[1].tensor, err);
}

/* Latents as a packed directory has them. */
static sgn_status read_packed(const sgn_transformer *m, const sgn_array_set *set, int i, origin *from, bool *found, sgn_error *err) {
    const sgn_param *p = &m->params.at[i];
    const sgn_array *a = sgn_packed_in_place(set, p);
    if (a && strstr(a->name, ".zones") && i + 2 < m->params.count && p[1].class == SGN_PARAM_FIXED) {
        *found = true;
        return read_zones(m, set, i, from, err);
    }
    SGN_TRY(sgn_packed_read_signs(set, p, found, err));
    if (!*found) SGN_TRY(sgn_packed_read_codes(set, p, found, err));
    return *found ? rescale(m, set, p, err) : SGN_OK;
}

static bool is_plane(const sgn_array_set *set, const sgn_param *p) {
    const sgn_archive *archive;
    const sgn_array *a = p->class == SGN_PARAM_LATENT ? sgn_array_set_find(set, p->name, &archive) : NULL;
    return a && a->dtype == SGN_DTYPE_U8;
}

/* What is no latent, or lies as one. */
static sgn_status read_numbers(const sgn_transformer *m, const sgn_array_set *set, const sgn_param *p, bool *found, sgn_error *err) {
    SGN_TRY(sgn_param_read(m, set, p, found, err));
    return *found || p->class == SGN_PARAM_LATENT ? SGN_OK : sgn_packed_read_blocks(set, p, found, err);
}

static sgn_status fill(const sgn_transformer *m, const sgn_array_set *set, origin *from, sgn_error *err) {
    for (int i = 0; i < m->params.count; i++) {
        const sgn_param *p = &m->params.at[i];
        bool found = p->tensor.stored.data;
        if (found && i != m->head) continue;
        if (from[i] != UNREAD) continue;
        if (!found && !is_plane(set, p)) SGN_TRY(read_numbers(m, set, p, &found, err));
        from[i] = found ? FOUND : p->class == SGN_PARAM_LATENT ? FROM_SIGNS : ABSENT;
        if (!found && p->class == SGN_PARAM_LATENT) SGN_TRY(read_packed(m, set, i, from, &found, err));
        if (found) SGN_TRY(sgn_param_check(set, p, err));
        else if (p->class != SGN_PARAM_SCALE && sgn_param_learns(p->class)) return sgn_param_missing(set, &m->config, p, err);
    }
    return SGN_OK;
}

/* Scales that are all absent are derived from the weight: that is how a full-precision model becomes a binary one. */
static sgn_status derive(sgn_linear *l, const sgn_array_set *set, const origin *from, sgn_error *err) {
    const sgn_param *absent = NULL;
    bool present = false;
    if (!l->kind) return SGN_OK;
    for (size_t i = 0; i < sizeof l->p / sizeof *l->p; i++) {
        if (l->p[i] < 0) continue;
        const sgn_param *p = &l->params->at[l->p[i]];
        if (p->class == SGN_PARAM_DERIVED) continue;
        if (from[l->p[i]] == ABSENT) absent = p;
        else present |= p->class == SGN_PARAM_SCALE || p->class == SGN_PARAM_FIXED || from[l->p[i]] == FROM_SIGNS;
    }
    if (!absent) return SGN_OK;
    if (present)
        SGN_FAIL(err, SGN_FORMAT, "%s has no '%s', though it has other parts of that layer; set model.scales and model.shift "
                 "to what it was trained with", set->directory, absent->name);
    sgn_linear_derive(l);
    return SGN_OK;
}

/* Arrays of a layer that the model has no place for: it will not compute what the file's model did. */
static void warn_unused(const sgn_transformer *m, const sgn_array_set *set) {
    static const char *const part[] = { "wscale", "wbias", "bias" }, *const norm[] = { "q_norm.weight", "k_norm.weight" };
    char name[SGN_ARRAY_NAME], first[SGN_ARRAY_NAME] = "";
    int unused = 0;
    for (int64_t n = 0; n < m->config.layers; n++) {
        for (int i = 0; i < SGN_LINEARS * 3 + 2; i++) {
            if (i < SGN_LINEARS * 3) snprintf(name, sizeof name, "%s.%s", m->blocks[n].path[i / 3], part[i % 3]);
            else snprintf(name, sizeof name, "model.layers.%lld.self_attn.%s", (long long)n, norm[i - SGN_LINEARS * 3]);
            const sgn_archive *archive;
            if (!sgn_array_set_find(set, name, &archive) || sgn_params_find(&m->params, name)) continue;
            if (m->config.tie_scales && i < SGN_LINEARS * 3 && i % 3 == 0) continue;      /* a copy of the shared one, as formats keep it */
            if (!unused++) memcpy(first, name, sizeof first);
        }
    }
    if (unused)
        sgn_warn("%s: '%s' and %d more arrays are left out; model.binary, model.shift, model.*_bias and model.qk_norm say the model has none",
                 set->directory, first, unused - 1);
}

static sgn_status load(sgn_transformer *m, const sgn_array_set *set, sgn_error *err) {
    origin *from = calloc((size_t)m->params.count, sizeof *from);
    if (!from) SGN_FAIL(err, SGN_NOMEM, "no memory for a list of %d parameters", m->params.count);
    sgn_status s = sgn_adapter_check(set, &m->params, err);
    if (s == SGN_OK) s = fill(m, set, from, err);
    for (int64_t n = 0; s == SGN_OK && n < m->config.layers; n++)
        for (int i = 0; s == SGN_OK && i < SGN_LINEARS; i++) s = derive(&m->blocks[n].linear[i], set, from, err);
    free(from);
    SGN_TRY(s);
    warn_unused(m, set);
    sgn_params_refresh_signs(&m->params);
    return SGN_OK;
}

sgn_status sgn_model_load_weights(sgn_transformer *m, const char *directory, sgn_error *err) {
    sgn_path manifest;
    SGN_TRY(sgn_path_set(&manifest, err, "%s/MANIFEST", directory));
    if (sgn_file_exists(manifest.s) && sgn_params_stored_bytes(&m->params) < SGN_VERIFY_BELOW)
        SGN_TRY(sgn_manifest_verify(directory, err));
    return sgn_model_fill(m, directory, err);
}

sgn_status sgn_model_fill(sgn_transformer *m, const char *directory, sgn_error *err) {
    if (m->files) return load(m, m->files, err);
    sgn_array_set set;
    SGN_TRY(sgn_array_set_open(&set, directory, err));
    const sgn_status s = load(m, &set, err);
    sgn_array_set_close(&set);
    return s;
}

/* --- one after the other ------------------------------------------------------------------------------ */

static sgn_status check_attached(const sgn_transformer *m, const sgn_array_set *set, sgn_error *err) {
    sgn_path manifest;
    SGN_TRY(sgn_path_set(&manifest, err, "%s/MANIFEST", set->directory));
    if (sgn_file_exists(manifest.s)) SGN_TRY(sgn_manifest_check(set->directory, SGN_VERIFY_SMALL, err));
    SGN_TRY(sgn_adapter_check(set, &m->params, err));
    warn_unused(m, set);
    return SGN_OK;
}

sgn_status sgn_model_attach(sgn_transformer *m, const char *directory, sgn_error *err) {
    m->files = calloc(1, sizeof *m->files);
    if (!m->files) SGN_FAIL(err, SGN_NOMEM, "%s: no memory to open its files", directory);
    SGN_TRY(sgn_array_set_open(m->files, directory, err));
    return check_attached(m, m->files, err);
}

sgn_status sgn_model_read(const sgn_transformer *m, int index, sgn_real *out, sgn_error *err) {
    sgn_param p = m->params.at[index];
    bool found;
    p.tensor.data = out;
    SGN_TRY(read_numbers(m, m->files, &p, &found, err));
    return found ? sgn_param_check(m->files, &p, err) : sgn_param_missing(m->files, &m->config, &p, err);
}

sgn_status sgn_model_load(sgn_transformer *m, const char *where, bool train, sgn_error *err) {
    *m = (sgn_transformer){ 0 };
    sgn_path directory;
    sgn_model_config c;
    SGN_TRY(sgn_model_resolve(where, "model", &directory, err));
    SGN_TRY(sgn_model_load_config(directory.s, NULL, &c, err));
    SGN_TRY(sgn_transformer_init(m, &c, train, err));
    sgn_status s = sgn_transformer_commit(m, err);
    if (s == SGN_OK) s = sgn_model_load_weights(m, directory.s, err);
    if (s != SGN_OK) sgn_transformer_free(m);
    return s;
}
