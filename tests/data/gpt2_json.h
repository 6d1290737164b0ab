/* gpt2_json.h - GPT-2's vocab.json and merges.txt joined to one tokenizer.json, for tests.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_TESTS_GPT2_JSON_H
#define SGN_TESTS_GPT2_JSON_H

#include "../check.h"
#include "core/json.h"

/* false where the shared data is not there. */
static inline bool gpt2_json_write(const char *path) {
    const char *pieces = check_shared("data/tokenizers/gpt2/vocab.json");
    const char *merges = check_shared("data/tokenizers/gpt2/merges.txt");
    sgn_error err = { 0 };
    if (!pieces || !merges) return false;
    sgn_json *vocab, *root = sgn_json_new_object(), *model = sgn_json_new_object(), *list = sgn_json_new_array();
    sgn_json *added = sgn_json_new_array(), *eot = sgn_json_new_object(), *words = sgn_json_new_object();
    char *text;
    size_t size;
    check_ok(sgn_json_load(&vocab, pieces, 16 << 20, &err), &err);
    check_ok(sgn_file_read(merges, 16 << 20, &text, &size, &err), &err);
    char *rest = NULL, *line = strtok_r(text, "\n", &rest);    /* "#version: 0.2" */
    while ((line = strtok_r(NULL, "\n", &rest)) != NULL) sgn_json_append(list, sgn_json_new_string(line));
    free(text);
    sgn_json_set(eot, "id", sgn_json_new_int(50256));
    sgn_json_set(eot, "content", sgn_json_new_string("<|endoftext|>"));
    sgn_json_set(eot, "special", sgn_json_new_bool(true));
    sgn_json_append(added, eot);
    sgn_json_set(words, "type", sgn_json_new_string("ByteLevel"));
    sgn_json_set(words, "add_prefix_space", sgn_json_new_bool(false));
    sgn_json_set(model, "type", sgn_json_new_string("BPE"));
    sgn_json_set(model, "vocab", vocab);
    sgn_json_set(model, "merges", list);
    sgn_json_set(root, "added_tokens", added);
    sgn_json_set(root, "pre_tokenizer", words);
    sgn_json_set(root, "model", model);
    check_ok(sgn_json_save(root, 0, path, &err), &err);
    sgn_json_free(root);
    return true;
}

#endif
