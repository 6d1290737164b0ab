/* The decoder of a tokenizer.json, and what its post_processor puts around a text.
 *
 * SPDX-License-Identifier: MIT */
#include <string.h>
#include "data/form.h"

static sgn_status add(sgn_form *f, sgn_decode_step step, const char *at, const char *where, sgn_error *err) {
    if (f->decodes == SGN_FORM_STEPS)
        SGN_FAIL(err, SGN_UNSUPPORTED, "%s: %s is step %d; at most %d are done", where, at, f->decodes, SGN_FORM_STEPS);
    f->decode[f->decodes++] = step;
    return SGN_OK;
}

static sgn_status metaspace(sgn_form *f, const sgn_json *j, const char *at, const char *where, sgn_error *err) {
    SGN_TRY(sgn_form_keys(j, "type|replacement|add_prefix_space|prepend_scheme|split|str_rep", at, where, err));
    const char *mark = sgn_json_string(sgn_json_get(j, "replacement"), "\xE2\x96\x81");
    const char *scheme = sgn_json_string(sgn_json_get(j, "prepend_scheme"), NULL);
    const bool first = scheme ? strcmp(scheme, "never") != 0 : sgn_json_bool(sgn_json_get(j, "add_prefix_space"), true);
    f->spaces = first;
    return add(f, (sgn_decode_step){ .kind = SGN_DECODE_REPLACE, .text = mark, .with = " " }, at, where, err);
}

static sgn_status replace(sgn_form *f, const sgn_json *j, const char *at, const char *where, sgn_error *err) {
    const sgn_json *pattern = sgn_json_get(j, "pattern"), *content = sgn_json_get(j, "content");
    SGN_TRY(sgn_form_keys(j, "type|pattern|content", at, where, err));
    const sgn_decode_step s = { .kind = SGN_DECODE_REPLACE, .text = sgn_json_string(sgn_json_get(pattern, "String"), NULL),
                                .with = sgn_json_string(content, NULL) };
    if (!s.text || !*s.text || sgn_json_size(pattern) != 1)
        return sgn_form_unknown(pattern, at, "pattern", "{\"String\": ...} is expected", where, err);
    if (!s.with) return sgn_form_unknown(content, at, "content", "a string is expected", where, err);
    return add(f, s, at, where, err);
}

/* Behind Fuse all text is one: Strip then takes from its beginning. */
static sgn_status strip(sgn_form *f, const sgn_json *j, bool fused, const char *at, const char *where, sgn_error *err) {
    const char *content = sgn_json_string(sgn_json_get(j, "content"), "");
    const int64_t start = sgn_json_int(sgn_json_get(j, "start"), 0), stop = sgn_json_int(sgn_json_get(j, "stop"), 0);
    SGN_TRY(sgn_form_keys(j, "type|content|start|stop", at, where, err));
    if (strlen(content) == 0 || strlen(content) > 4)
        return sgn_form_unknown(sgn_json_get(j, "content"), at, "content", "one character is expected", where, err);
    if (start < 0 || start > 1024) return sgn_form_unknown(sgn_json_get(j, "start"), at, "start", "0 to 1024 is possible", where, err);
    if (stop < 0 || stop > 1024 || (fused && stop))
        return sgn_form_unknown(sgn_json_get(j, "stop"), at, "stop", fused ? "after Fuse only 0 is possible" : "0 to 1024 is possible", where, err);
    if (!fused)
        return add(f, (sgn_decode_step){ .kind = SGN_DECODE_STRIP, .text = content, .start = (int32_t)start, .stop = (int32_t)stop }, at, where, err);
    if (strcmp(content, " ") != 0)
        return sgn_form_unknown(sgn_json_get(j, "content"), at, "content", "after Fuse only a space is possible", where, err);
    f->spaces += (int32_t)start;
    return SGN_OK;
}

sgn_status sgn_form_decoder(sgn_form *f, const sgn_json *j, const char *at, const char *where, sgn_error *err) {
    if (sgn_json_typeof(j) == SGN_JSON_NULL) return SGN_OK;
    const sgn_json *name = sgn_json_get(j, "type");
    const char *type = sgn_json_string(name, "");
    if (strcmp(type, "Sequence") == 0) {
        SGN_TRY(sgn_form_keys(j, "type|decoders", at, where, err));
        return sgn_form_each(f, j, "decoders", sgn_form_decoder, at, where, err);
    }
    const bool bytes = strcmp(type, "ByteLevel") == 0, fuse = strcmp(type, "Fuse") == 0;
    if (bytes && f->byte_level) return sgn_form_keys(j, "type|add_prefix_space|trim_offsets|use_regex", at, where, err);
    if (fuse && f->byte_level) return SGN_OK;
    if (bytes || (f->byte_level && *type))
        return sgn_form_unknown(name, at, "type", bytes ? "the pre_tokenizer is not ByteLevel" : "the pre_tokenizer is ByteLevel", where, err);
    if (strcmp(type, "Strip") == 0) return strip(f, j, f->fused, at, where, err);
    if (f->fused) return sgn_form_unknown(name, at, "type", "after Fuse only Strip is possible", where, err);
    if (fuse) {
        SGN_TRY(sgn_form_keys(j, "type", at, where, err));
        f->fused = true;
        return SGN_OK;
    }
    if (strcmp(type, "Metaspace") == 0) return metaspace(f, j, at, where, err);
    if (strcmp(type, "Replace") == 0) return replace(f, j, at, where, err);
    if (strcmp(type, "ByteFallback") == 0) {
        SGN_TRY(sgn_form_keys(j, "type", at, where, err));
        return add(f, (sgn_decode_step){ .kind = SGN_DECODE_BYTES }, at, where, err);
    }
    return sgn_form_unknown(name, at, "type", "ByteLevel, Metaspace, ByteFallback, Replace, Fuse, Strip and Sequence are known", where, err);
}

/* --- post-processor ------------------------------------------------------------------------------ */

/* "single": [{"SpecialToken": {"id": "<s>", ...}}, {"Sequence": ...}, ...] */
static sgn_status template(sgn_form *f, const sgn_json *j, const char *at, const char *where, sgn_error *err) {
    const sgn_json *single = sgn_json_get(j, "single");
    SGN_TRY(sgn_form_keys(j, "type|single|pair|special_tokens", at, where, err));
    if (sgn_json_typeof(single) != SGN_JSON_ARRAY) return sgn_form_unknown(single, at, "single", "an array is expected", where, err);
    bool after = false;
    for (size_t i = 0; i < sgn_json_size(single); i++) {
        const sgn_json *part = sgn_json_at(single, i);
        const char *token = sgn_json_string(sgn_json_get(sgn_json_get(part, "SpecialToken"), "id"), NULL);
        if (!token) after |= sgn_json_get(part, "Sequence") != NULL;
        else if (after) f->eos = token;
        else f->bos = token;
    }
    return SGN_OK;
}

sgn_status sgn_form_post_processor(sgn_form *f, const sgn_json *j, const char *at, const char *where, sgn_error *err) {
    if (sgn_json_typeof(j) == SGN_JSON_NULL) return SGN_OK;
    const char *type = sgn_json_string(sgn_json_get(j, "type"), "");
    if (strcmp(type, "Sequence") == 0) return sgn_form_each(f, j, "processors", sgn_form_post_processor, at, where, err);
    if (strcmp(type, "ByteLevel") == 0) return SGN_OK;             /* offsets only */
    if (strcmp(type, "TemplateProcessing") == 0) return template(f, j, at, where, err);
    if (strcmp(type, "RobertaProcessing") == 0 || strcmp(type, "BertProcessing") == 0) {
        f->bos = sgn_json_string(sgn_json_at(sgn_json_get(j, "cls"), 0), NULL);
        f->eos = sgn_json_string(sgn_json_at(sgn_json_get(j, "sep"), 0), NULL);
        return SGN_OK;
    }
    return sgn_form_unknown(sgn_json_get(j, "type"), at, "type",
                            "TemplateProcessing, ByteLevel, RobertaProcessing, BertProcessing and Sequence are known", where, err);
}
