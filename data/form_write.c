/* SPDX-License-Identifier: MIT */
#include "data/form_write.h"

static sgn_json *byte_level(bool regex) {
    sgn_json *j = sgn_json_new_object();
    sgn_json_set(j, "type", sgn_json_new_string("ByteLevel"));
    sgn_json_set(j, "add_prefix_space", sgn_json_new_bool(false));
    sgn_json_set(j, "trim_offsets", sgn_json_new_bool(true));
    sgn_json_set(j, "use_regex", sgn_json_new_bool(regex));
    return j;
}

static sgn_json *words(const sgn_known_split *split) {
    if (split == sgn_known_split_at(0)) return byte_level(true);
    sgn_json *all = sgn_json_new_object(), *steps = sgn_json_new_array(), *cut = sgn_json_new_object(), *pattern = sgn_json_new_object();
    sgn_json_set(pattern, "Regex", sgn_json_new_string(split->pattern));
    sgn_json_set(cut, "type", sgn_json_new_string("Split"));
    sgn_json_set(cut, "pattern", pattern);
    sgn_json_set(cut, "behavior", sgn_json_new_string("Isolated"));
    sgn_json_set(cut, "invert", sgn_json_new_bool(false));
    sgn_json_append(steps, cut);
    sgn_json_append(steps, byte_level(false));
    sgn_json_set(all, "type", sgn_json_new_string("Sequence"));
    sgn_json_set(all, "pretokenizers", steps);
    return all;
}

static sgn_json *added_token(int32_t id, const char *text, size_t n, bool special) {
    static const char *const off[] = { "single_word", "lstrip", "rstrip", "normalized" };
    sgn_json *j = sgn_json_new_object();
    sgn_json_set(j, "id", sgn_json_new_int(id));
    sgn_json_set(j, "content", sgn_json_new_string_n(text, n));
    for (size_t i = 0; i < sizeof off / sizeof *off; i++) sgn_json_set(j, off[i], sgn_json_new_bool(false));
    sgn_json_set(j, "special", sgn_json_new_bool(special));
    return j;
}

static sgn_json *model(bool whole_words) {
    static const char *const none[] = { "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix" };
    static const char *const off[] = { "fuse_unk", "byte_fallback" };
    sgn_json *j = sgn_json_new_object();
    sgn_json_set(j, "type", sgn_json_new_string("BPE"));
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) sgn_json_set(j, none[i], sgn_json_new_null());
    for (size_t i = 0; i < sizeof off / sizeof *off; i++) sgn_json_set(j, off[i], sgn_json_new_bool(false));
    sgn_json_set(j, "ignore_merges", sgn_json_new_bool(whole_words));
    sgn_json_set(j, "vocab", sgn_json_new_null());
    sgn_json_set(j, "merges", sgn_json_new_null());
    return j;
}

sgn_json *sgn_form_new(const sgn_known_split *split, bool whole_words, bool nfc, sgn_json *added) {
    sgn_json *root = sgn_json_new_object(), *normalizer = sgn_json_new_null();
    if (nfc) {
        normalizer = sgn_json_new_object();
        sgn_json_set(normalizer, "type", sgn_json_new_string("NFC"));
    }
    sgn_json_set(root, "version", sgn_json_new_string("1.0"));
    sgn_json_set(root, "truncation", sgn_json_new_null());
    sgn_json_set(root, "padding", sgn_json_new_null());
    sgn_json_set(root, "added_tokens", added);
    sgn_json_set(root, "normalizer", normalizer);
    sgn_json_set(root, "pre_tokenizer", words(split));
    sgn_json_set(root, "post_processor", sgn_json_new_null());
    sgn_json_set(root, "decoder", byte_level(true));
    sgn_json_set(root, "model", model(whole_words));
    return root;
}

sgn_status sgn_form_write(char **text, const sgn_vocabulary *v, const sgn_known_split *split, bool whole_words, bool nfc, sgn_error *err) {
    sgn_json *added = sgn_json_new_array();
    for (int32_t id = 0; id < v->count; id++) {
        size_t n;
        const char *bytes = sgn_vocabulary_piece(v, id, &n);
        if (v->token[id]) sgn_json_append(added, added_token(id, bytes, n, v->special[id]));
    }
    sgn_json *root = sgn_form_new(split, whole_words, nfc, added);
    const sgn_status s = sgn_json_dump(root, 0, text, err);
    sgn_json_free(root);
    return s;
}
