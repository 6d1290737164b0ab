/* {"version": "1.0", "added_tokens": [the specials], "model": {"type": "SentencePiece", "tokenizer.model": base64}}:
 * scores do not survive as ranks of merges, where equal scores are told apart, so the model itself is stored.
 *
 * SPDX-License-Identifier: MIT */
#include "data/spm_json.h"

#include <stdlib.h>
#include <string.h>
#include "core/base64.h"

static const char type[] = "SentencePiece", member[] = "tokenizer.model";

bool sgn_spm_in_json(const sgn_json *root) {
    return strcmp(sgn_json_string(sgn_json_get(sgn_json_get(root, "model"), "type"), ""), type) == 0;
}

sgn_status sgn_spm_from_json(sgn_vocabulary *v, const sgn_json *root, const char *path, sgn_error *err) {
    const char *text = sgn_json_string(sgn_json_get(sgn_json_get(root, "model"), member), "");
    const size_t size = strlen(text);
    uint8_t *data = malloc(size / 4 * 3 + 1);
    size_t n;
    if (!data) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for model[\"%s\"]", path, member);
    const sgn_status s = sgn_base64_read(text, size, data, &n) ? sgn_spm_parse(v, data, n, path, err)
                         : SGN_ERROR(err, SGN_FORMAT, "%s: model[\"%s\"] is not base64", path, member);
    free(data);
    return s;
}

static sgn_json *specials(const sgn_vocabulary *v) {
    sgn_json *all = sgn_json_new_array();
    for (int32_t id = 0; id < v->count; id++) {
        if (!v->special[id] && id != v->spm->unk) continue;
        size_t n;
        const char *piece = sgn_vocabulary_piece(v, id, &n);
        sgn_json *one = sgn_json_new_object();
        sgn_json_set(one, "id", sgn_json_new_int(id));
        sgn_json_set(one, "content", sgn_json_new_string_n(piece, n));
        sgn_json_set(one, "special", sgn_json_new_bool(true));
        sgn_json_append(all, one);
    }
    return all;
}

sgn_status sgn_spm_save_json(const sgn_vocabulary *v, const char *path, sgn_error *err) {
    uint8_t *data;
    size_t size;
    SGN_TRY(sgn_spm_write(v, &data, &size, err));
    char *text = sgn_base64_write(data, size);
    free(data);
    if (!text) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for a model of %zu bytes", path, size);
    sgn_json *root = sgn_json_new_object(), *model = sgn_json_new_object();
    sgn_json_set(root, "version", sgn_json_new_string("1.0"));
    sgn_json_set(root, "added_tokens", specials(v));
    sgn_json_set(model, "type", sgn_json_new_string(type));
    sgn_json_set(model, member, sgn_json_new_string(text));
    sgn_json_set(root, "model", model);
    free(text);
    const sgn_status s = sgn_json_save(root, 1, path, err);
    sgn_json_free(root);
    return s;
}
