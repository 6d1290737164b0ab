/* Arithmetic of a template: Python's, on 64 bits. SPDX-License-Identifier: MIT */
#include <math.h>
#include <string.h>
#include "data/jinja_value.h"

static bool is_whole(sgn_jvalue v) { return v.kind == J_BOOL || v.kind == J_INT; }
static bool is_number(sgn_jvalue v) { return is_whole(v) || v.kind == J_REAL; }
static double number(sgn_jvalue v) { return v.kind == J_REAL ? v.real : (double)v.whole; }

static sgn_jvalue too_large(sgn_jrun *r) { return sgn_jfail(r, SGN_CONFIG, "a number beyond 64 bits; use smaller ones"); }

static sgn_jvalue of_whole(sgn_jrun *r, sgn_jtext op, int64_t a, int64_t b) {
    int64_t v = 0;
    switch (op.s[0]) {
        case '+': return __builtin_add_overflow(a, b, &v) ? too_large(r) : sgn_jint(v);
        case '-': return __builtin_sub_overflow(a, b, &v) ? too_large(r) : sgn_jint(v);
        case '*': return __builtin_mul_overflow(a, b, &v) ? too_large(r) : sgn_jint(v);
        default: break;
    }
    if (b == 0) return sgn_jfail(r, SGN_CONFIG, "a division by zero; test the divisor first");
    if (op.s[0] == '/' && op.n == 1) return sgn_jreal((double)a / (double)b);
    if (b == -1) return op.s[0] == '%' ? sgn_jint(0) : a == INT64_MIN ? too_large(r) : sgn_jint(-a);
    const int64_t rest = a % b, floors = rest != 0 && (rest < 0) != (b < 0);       /* towards minus infinity */
    return sgn_jint(op.s[0] == '%' ? rest + floors * b : a / b - floors);
}

static sgn_jvalue of_real(sgn_jrun *r, sgn_jtext op, double a, double b) {
    if (op.s[0] == '+') return sgn_jreal(a + b);
    if (op.s[0] == '-') return sgn_jreal(a - b);
    if (op.s[0] == '*') return sgn_jreal(a * b);
    if (b == 0) return sgn_jfail(r, SGN_CONFIG, "a division by zero; test the divisor first");
    if (op.s[0] == '%') return sgn_jreal(a - b * floor(a / b));
    return sgn_jreal(op.n == 2 ? floor(a / b) : a / b);
}

static sgn_jvalue repeat(sgn_jrun *r, sgn_jvalue v, int64_t times) {
    sgn_jbuffer b = { 0 };
    sgn_jvalue list = sgn_jlist_new(r, J_LIST);
    for (int64_t i = 0; i < times && r->status == SGN_OK; i++) {
        sgn_jwork(r, 1);
        if (v.kind == J_TEXT) sgn_jput(r, &b, v.text.s, v.text.n);
        for (size_t k = 0; v.kind == J_LIST && k < v.list->count; k++) sgn_jlist_add(r, list.list, v.list->at[k]);
    }
    return v.kind == J_LIST ? list : sgn_jbuffer_value(&b);
}

static sgn_jvalue join(sgn_jrun *r, sgn_jvalue a, sgn_jvalue b) {
    sgn_jvalue list = sgn_jlist_new(r, J_LIST);
    for (size_t i = 0; i < a.list->count; i++) sgn_jlist_add(r, list.list, a.list->at[i]);
    for (size_t i = 0; i < b.list->count; i++) sgn_jlist_add(r, list.list, b.list->at[i]);
    return list;
}

sgn_jvalue sgn_jarithmetic(sgn_jrun *r, sgn_jtext op, sgn_jvalue a, sgn_jvalue b) {
    const bool plus = sgn_jtext_is(op, "+"), times = sgn_jtext_is(op, "*"), tilde = sgn_jtext_is(op, "~");
    if (r->status != SGN_OK) return (sgn_jvalue){ 0 };
    if (tilde || (plus && a.kind == J_TEXT && b.kind == J_TEXT)) {
        sgn_jbuffer text = { 0 };
        sgn_jput_value(r, &text, a);
        sgn_jput_value(r, &text, b);
        return sgn_jbuffer_value(&text);
    }
    if (is_whole(a) && is_whole(b)) return of_whole(r, op, a.whole, b.whole);
    if (is_number(a) && is_number(b)) return of_real(r, op, number(a), number(b));
    if (plus && a.kind == J_LIST && b.kind == J_LIST) return join(r, a, b);
    if (times && (a.kind == J_TEXT || a.kind == J_LIST) && is_whole(b)) return repeat(r, a, b.whole);
    if (times && (b.kind == J_TEXT || b.kind == J_LIST) && is_whole(a)) return repeat(r, b, a.whole);
    return sgn_jfail(r, SGN_CONFIG, "'%.*s' of %s and %s; %s", (int)op.n, op.s, sgn_jkind_name(a.kind), sgn_jkind_name(b.kind),
                     plus ? "join texts with ~, which takes any values" : "give numbers");
}
