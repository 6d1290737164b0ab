/* jinja_cases.h - templates and what they render to by Jinja 3.1.2 (Debian's python3-jinja2), set up as Hugging Face's
 * apply_chat_template does. The last ones have the structure of the templates of known models: LLaMA 2 and 3, tools of
 * LLaMA 3.1, Qwen 2.5 and 3, Mistral of two kinds, Zephyr, ChatML, Phi 3, Gemma 1 and 3.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_TESTS_JINJA_CASES_H
#define SGN_TESTS_JINJA_CASES_H

static const char jinja_variables[] =
    "{\"messages\": [{\"role\": \"system\", \"content\": \" Be  brief. \"}, {\"role\": \"user\", \"content\": \"Hi <there> \\\"q\\\" 'a'"
    "\\n\\té 中\"}, {\"role\": \"assistant\", \"content\": \"<think>x\\n</think>\\n\\nanswer\"}, {\"role\": \"user\", \"content\": \"more"
    "\"}], \"bos_token\": \"<s>\", \"eos_token\": \"</s>\", \"add_generation_prompt\": true, \"tools\": [{\"name\": \"f\", \"paramete"
    "rs\": {\"a\": [1, 2.5, null, true], \"b\": {}}, \"l\": []}], \"n\": 7, \"x\": -3, \"f\": 2.5, \"s\": \"Hello World\", \"e\": \"\", "
    "\"nul\": null, \"u\": \"straße Éa\"}";

static const struct { const char *template, *text; } jinja_cases[] = {
    { "{{ messages[0].content }}|{{ messages[0]['content'] | trim }}|{{ messages[-1].role }}",
      " Be  brief. |Be  brief.|user" },
    { "{% for m in messages %}\n"
      "{{ loop.index }}{{ loop.index0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.revindex }} {{ m.role"
      " }}\n"
      "{% endfor %}\n"
      "end",
      "10TrueFalse44 system\n"
      "21FalseFalse43 user\n"
      "32FalseFalse42 assistant\n"
      "43FalseTrue41 user\n"
      "end" },
    { "{%- for m in messages -%}\n"
      "   {{- m.role }}\n"
      "{% else %}none{% endfor %}",
      "system\n"
      "user\n"
      "assistant\n"
      "user\n" },
    { "{% for m in messages[1:] if m.role == 'user' %}{{ loop.index }}:{{ m.content }};{% endfor %}",
      "1:Hi <there> \"q\" 'a'\n"
      "\té 中;2:more;" },
    { "  {% if n > 3 and not x > 0 %}\n"
      "    yes\n"
      "  {% elif n %}\n"
      "    maybe\n"
      "  {% else %}\n"
      "    no\n"
      "  {% endif %}\n"
      "tail\n",
      "    yes\n"
      "tail" },
    { "{{ n + 2 * 3 - 1 }} {{ n // 2 }} {{ -n // 2 }} {{ -n % 3 }} {{ n / 2 }} {{ n ~ 's' ~ 2.0 }} {{ 2.50 }} {{ 1e20"
      " }} {{ 1.5e-7 }} {{ 123456789012345680.0 }}",
      "12 3 -4 2 3.5 7s2.0 2.5 1e+20 1.5e-07 1.2345678901234568e+17" },
    { "{{ [1, 'a', none, true, 2.0, {'k': \"it's\"}] }}{{ {'a': [1,(2,3)[0]]} }} {{ \"x\\ny\\t'\\\"\" }} {{ [\"x\\ny\\t'\\\"\", 'q\""
      "', \"a'b\"] }}",
      "[1, 'a', None, True, 2.0, {'k': \"it's\"}]{'a': [1, 2]} x\n"
      "y\t'\" ['x\\ny\\t\\'\"', 'q\"', \"a'b\"]" },
    { "{{ tools | tojson }}\n"
      "{{ tools | tojson(indent=2) }}\n"
      "{{ messages | tojson(indent=4) }}",
      "[{\"name\": \"f\", \"parameters\": {\"a\": [1, 2.5, null, true], \"b\": {}}, \"l\": []}]\n"
      "[\n"
      "  {\n"
      "    \"name\": \"f\",\n"
      "    \"parameters\": {\n"
      "      \"a\": [\n"
      "        1,\n"
      "        2.5,\n"
      "        null,\n"
      "        true\n"
      "      ],\n"
      "      \"b\": {}\n"
      "    },\n"
      "    \"l\": []\n"
      "  }\n"
      "]\n"
      "[\n"
      "    {\n"
      "        \"role\": \"system\",\n"
      "        \"content\": \" Be  brief. \"\n"
      "    },\n"
      "    {\n"
      "        \"role\": \"user\",\n"
      "        \"content\": \"Hi <there> \\\"q\\\" 'a'\\n\\té 中\"\n"
      "    },\n"
      "    {\n"
      "        \"role\": \"assistant\",\n"
      "        \"content\": \"<think>x\\n</think>\\n\\nanswer\"\n"
      "    },\n"
      "    {\n"
      "        \"role\": \"user\",\n"
      "        \"content\": \"more\"\n"
      "    }\n"
      "]" },
    { "{% set ns = namespace(found=false, i=0) %}{% for m in messages %}{% set ns.i = ns.i + 1 %}{% if m.role == 'use"
      "r' and not ns.found %}{% set ns.found = true %}[{{ ns.i }}]{% endif %}{% endfor %}{{ ns.found }}",
      "[2]True" },
    { "{% set a = 1 %}{% for i in range(3) %}{% set a = i %}{% endfor %}{{ a }}",
      "1" },
    { "{% set a %}  block {{ n }}  {% endset %}[{{ a }}]{{ a | length }}",
      "[  block 7  ]11" },
    { "{% macro f(a, b=2, c=none) %}({{ a }},{{ b }},{{ c }}){% endmacro %}{{ f(1) }}{{ f(1, c=3) }}{{ f(b=5, a=4) }}",
      "(1,2,None)(1,2,3)(4,5,None)" },
    { "{% macro fact(k) %}{% if k <= 1 %}1{% else %}{{ k * (fact(k - 1) | int) }}{% endif %}{% endmacro %}{{ fact(10)"
      " }}",
      "3628800" },
    { "{{ 'a' if x > 0 else 'b' }}{{ 'c' if x > 0 }}{{ ('z' if n else 'y') ~ 'k' }}",
      "bzk" },
    { "{{ s[0] }}{{ s[-1] }}{{ s[1:4] }}{{ s[::-1] }}{{ s[::2] }}{{ s[-3:] }}{{ s[5:2] }}{{ u[4] }}{{ u[::-1] }}{{ me"
      "ssages[::-1] | map(attribute='role') | join(',') }}",
      "HdelldlroW olleHHloWrdrldßaÉ eßartsuser,assistant,user,system" },
    { "{{ s.upper() }}{{ s.lower() }}{{ s.split(' ') }}{{ s.split() }}{{ s.split('l', 1) }}{{ s.rsplit('o', 1) }}{{ '"
      "a,b,c'.split(',')[-1] }}{{ s.startswith('He') }}{{ s.endswith(('x','ld')) }}{{ s.replace('l','L') }}{{ s.repla"
      "ce('l','L',2) }}{{ s.find('W') }}{{ s.count('l') }}{{ '  pad '.strip() }}|{{ '  pad '.lstrip() }}|{{ '  pad '."
      "rstrip() }}|{{ 'xxaxx'.strip('x') }}{{ s.title() }}{{ 'hELLO wORLD'.capitalize() }}{{ 'aa\\nbb\\r\\ncc\\n'.splitli"
      "nes() }}",
      "HELLO WORLDhello world['Hello', 'World']['Hello', 'World']['He', 'lo World']['Hello W', 'rld']cTrueTrueHeLLo W"
      "orLdHeLLo World63pad|pad |  pad|aHello WorldHello world['aa', 'bb', 'cc']" },
    { "{{ missing is defined }}{{ missing }}{{ missing is none }}{{ nul is none }}{{ s is string }}{{ messages is map"
      "ping }}{{ messages[0] is mapping }}{{ messages is iterable }}{{ n is number }}{{ n is odd }}{{ n is divisibleb"
      "y 7 }}{{ messages is sequence }}{{ nul is not none }}{{ not nul is none }}{{ s is sequence }}{{ n is integer }"
      "}{{ f is float }}{{ true is boolean }}{{ n is eq 7 }}{{ 'a' is in ['a'] }}",
      "FalseFalseTrueTrueFalseTrueTrueTrueTrueTrueTrueFalseFalseTrueTrueTrueTrueTrueTrue" },
    { "{{ messages | length }}{{ messages | map(attribute='role') | list }}{{ messages | selectattr('role', 'equalto'"
      ", 'user') | list | length }}{{ messages | rejectattr('role', 'eq', 'user') | map(attribute='role') | join(', '"
      ") }}{{ [3,1,2] | first }}{{ [3,1,2] | last }}{{ ['a','b'] | map('upper') | join }}{{ [1,0,2] | select | list }"
      "}{{ [1,2,3,4] | select('odd') | list }}{{ [1,1,2] | unique | list }}",
      "4['system', 'user', 'assistant', 'user']2system, assistant32AB[1, 2][1, 3][1, 2]" },
    { "{{ missing | default('d') }}{{ e | default('d') }}{{ e | default('d', true) }}{{ nul | d('q', boolean=True) }}"
      "{{ s | replace('o', '0') }}{{ '3' | int + 4 }}{{ 'x' | int }}{{ '2.5' | float }}{{ x | abs }}{{ n | string ~ '"
      "k' }}{{ s | list | length }}{{ s | upper }}{{ s|lower|title }}",
      "ddqHell0 W0rld702.537k11HELLO WORLDHello World" },
    { "{% for k, v in messages[0].items() %}{{ k }}={{ v }};{% endfor %}{% for k, v in tools[0] | dictsort %}{{ k }};"
      "{% endfor %}{{ messages[0].keys() | list }}{{ messages[0].get('role') }}{{ messages[0].get('zz') }}{{ messages"
      "[0].get('zz', 'dd') }}{% for k in messages[0] %}{{ k }}{% endfor %}{{ 'role' in messages[0] }}{{ 'zz' not in m"
      "essages[0] }}{{ messages[0].values()|list|length }}",
      "role=system;content= Be  brief. ;l;name;parameters;['role', 'content']systemNoneddrolecontentTrueTrue2" },
    { "{{ [3, 1, 2] | sort }}{{ [3, 1.5, 2] | sort(reverse=true) }}{{ ['b', 'A', 'a', 'B'] | sort }}{{ ['b', 'A', 'a', "
      "'B'] | sort(case_sensitive=true) }}{{ ['b', 'A', 'a', 'B'] | sort(true) }}{{ 'hello' | sort | join }}{{ [] | sor"
      "t }}{{ {'z': 1, 'y': 2} | sort }}{{ range(40, 0, -3) | sort | join(',') }}",
      "[1, 2, 3][3, 2, 1.5]['A', 'a', 'b', 'B']['A', 'B', 'a', 'b']['b', 'B', 'A', 'a']ehllo[]['y', 'z']1,4,7,10,13,16,"
      "19,22,25,28,31,34,37,40" },
    { "{{ messages | sort(attribute='role') | map(attribute='content') | map('trim') | join(';') }}|{{ messages | sort("
      "attribute='role,content', reverse=true) | map(attribute='content') | map('trim') | join(';') }}|{{ [{'a': {'b': "
      "2}}, {'a': {'b': 1}}] | sort(attribute='a.b') | map(attribute='a.b') | join }}|{{ [[1, 'x'], [0, 'y']] | sort(at"
      "tribute=0) | map(attribute=1) | join }}",
      "<think>x\n</think>\n\nanswer;Be  brief.;Hi <there> \"q\" 'a'\n\té 中;more|more;Hi <there> \"q\" 'a'\n\té 中;Be  brie"
      "f.;<think>x\n</think>\n\nanswer|12|yx" },
    { "{% for role, ms in messages | groupby('role') %}{{ role }}:{{ ms | length }} {{ ms[0].content | trim }};{% endfo"
      "r %}{% for g in messages | groupby(attribute='role') %}{{ g.grouper }}{{ g.list | length }}{{ g[0] }}{% endfor %"
      "}",
      "assistant:1 <think>x\n</think>\n\nanswer;system:1 Be  brief.;user:2 Hi <there> \"q\" 'a'\n\té 中;assistant1assista"
      "ntsystem1systemuser2user" },
    { "{% for k, l in [{'t': 'b'}, {'t': 'A'}, {}, {'t': 'a'}, {'t': 'B'}] | groupby('t', default='zz') %}{{ k }}={{ l "
      "| map(attribute='t', default='-') | join }};{% endfor %}{% for k, l in [{'t': 'b'}, {'t': 'A'}, {'t': 'a'}, {'t'"
      ": 'B'}] | groupby('t', case_sensitive=true) %}{{ k }}{{ l | length }}{% endfor %}",
      "A=Aa;b=bB;zz=-;A1B1a1b1" },
    { "{% for k, v in {'b': 1, 'A': 3, 'a': 2, 'C': 0} | dictsort %}{{ k }}{{ v }}{% endfor %}|{% for k, v in {'b': 1, "
      "'A': 3, 'a': 2, 'C': 0} | dictsort(true) %}{{ k }}{{ v }}{% endfor %}|{% for k, v in {'b': 1, 'A': 3, 'a': 2, 'C"
      "': 0} | dictsort(by='value') %}{{ k }}{{ v }}{% endfor %}|{% for k, v in {'b': 1, 'A': 3, 'a': 2, 'C': 0} | dict"
      "sort(false, 'key', true) %}{{ k }}{{ v }}{% endfor %}",
      "A3a2b1C0|A3C0a2b1|C0b1a2A3|C0b1A3a2" },
    { "{{ ['a', 'A', 'b', 'B', 'a'] | unique | list }}{{ ['a', 'A', 'b', 'a'] | unique(true) | list }}{{ messages | uni"
      "que(attribute='role') | map(attribute='role') | join(',') }}{{ [1, 2.0, 1, 2, true] | unique | list }}",
      "['a', 'b']['a', 'A', 'b']system,user,assistant[1, 2.0]" },
    { "{% for row in [1, 2, 3, 4, 5] | batch(2) %}{{ row }}{% endfor %}{% for row in [1, 2, 3, 4] | batch(3, 'x') %}{{ "
      "row }}{% endfor %}{{ [] | batch(2) | list }}{{ 'abcde' | batch(2, '-') | map('join') | join(' ') }}",
      "[1, 2][3, 4][5][1, 2, 3][4, 'x', 'x'][]ab cd e-" },
    { "{{ [3, 1, 2] | min }}{{ [3, 1, 2] | max }}{{ ['b', 'A', 'c'] | min }}{{ ['b', 'a', 'B', 'A'] | max }}{{ ['a', 'B"
      "'] | min(case_sensitive=true) }}{{ (messages | max(attribute='role')).content | trim | length }}{{ [] | min }}{{"
      " [1, 2.5, 3] | sum }}{{ [{'n': 2}, {'n': 5}] | sum(attribute='n') }}{{ [1, 2] | sum(start=10) }}{{ [] | sum }}",
      "13AbB236.57130" },
    { "a\n"
      "    {# comment #}\n"
      "b {#- tight -#} c\n"
      "  {%+ if true %}keep{% endif +%}\n"
      "d",
      "a\n"
      "bc\n"
      "  keep\n"
      "d" },
    { "{{- bos_token }}\n"
      "{%- if messages[0]['role'] == 'system' -%}\n"
      "    {%- set system_message = messages[0]['content'] | trim %}\n"
      "    {%- set messages = messages[1:] %}\n"
      "{%- else -%}\n"
      "    {%- set system_message = \"\" %}\n"
      "{%- endif %}\n"
      "{{ system_message }} {{ messages | length }}",
      "<s>Be  brief. 3" },
    { "{% for i in range(10) %}{% if i == 2 %}{% continue %}{% endif %}{% if i == 5 %}{% break %}{% endif %}{{ i }}{%"
      " endfor %}{{ range(1, 10, 3) | list }}{{ range(5,0,-2)|list }}",
      "0134[1, 4, 7][5, 3, 1]" },
    { "{{ messages[0].nothing }}{{ messages[9] }}{{ nul.x }}|{{ messages[0].nothing is defined }}",
      "|False" },
    { "{{ 1 < 2 < 3 }}{{ 1 == 1.0 }}{{ 'a' < 'b' }}{{ [1] == [1.0] }}{{ {'a':1,'b':2} == {'b':2,'a':1} }}{{ true == 1"
      " }}{{ none == false }}{{ [1,2] + [3] }}{{ 'ab' * 3 }}{{ [0] * 2 }}",
      "TrueTrueTrueTrueTrueTrueFalse[1, 2, 3]ababab[0, 0]" },
    { "{{ '<' ~ s ~ '>' | upper }}{{ ('<' ~ s ~ '>') | upper }}{{ -3 | abs }}{{ not true or true }}{{ 1 if false }}",
      "<Hello World><HELLO WORLD>3True" },
    { "{{ {'a': {'b': {'c': 1}}} }}{{ {'a': 1}['a'] }}{{ {'a': 1}.a }}",
      "{'a': {'b': {'c': 1}}}11" },
    { "{% if 'x' in missing %}a{% else %}b{% endif %}{% for i in missing %}{% else %}empty{% endfor %}{{ missing | le"
      "ngth }}",
      "bempty0" },
    { "{{ content.split('</think>')[-1].lstrip('\\n') if content is defined else messages[2].content.split('</think>')"
      "[-1].lstrip('\\n') }}|{{ messages[2]['content'].split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('"
      "\\n') }}",
      "answer|x" },
    { "{{ \"a\" \"b\" 'c' }}{{ '\\u00e9\\x41\\\\n' }}{{ \"q\\\"q\" }}",
      "abcéA\\nq\"q" },
    { "line1\n"
      "{% set x = 1 %}\n"
      "\n"
      "{{ x }}\n"
      "\n"
      "  {{ x }}\n"
      "\t{% if x %}\t\n"
      "tabbed\n"
      "\t{% endif %}\t",
      "line1\n"
      "\n"
      "1\n"
      "\n"
      "  1\n"
      "\t\n"
      "tabbed\n"
      "\t" },
    { "{{ loop is defined }}{% for a in [1,2] %}{% for b in [3,4] %}{{ loop.index }}{% endfor %}{{ loop.index }}{{ lo"
      "op.previtem is defined }}{{ loop.nextitem }}{% endfor %}",
      "False121False2122True" },
    { "{{ s | indent(2) }}{{ \"a\\nb\\n\\nc\" | indent(4) }}{{ \"a\\nb\" | indent(2, true) }}{{ u | upper }}{{ u | capitalize"
      " }}{{ s | trim('Hd') }}",
      "Hello Worlda\n"
      "    b\n"
      "\n"
      "    c  a\n"
      "  bSTRASSE ÉAStraße éaello Worl" },
    { "{{ [messages[0], messages[1]] | map(attribute='content') | map('trim') | join('\\n') }}{{ [[1,2],[3,4]] | map('"
      "first') | list }}{{ 'abc' | reverse }}{{ [1,2,3] | reverse | list }}",
      "Be  brief.\n"
      "Hi <there> \"q\" 'a'\n"
      "\té 中[1, 3]cba[3, 2, 1]" },
    { "{%- macro show(m, deep=false) -%}{{ m.role }}{%- if deep %}!{% endif -%}{%- endmacro -%}{% for m in messages %"
      "}{{ show(m, loop.last) }} {% endfor %}",
      "system user assistant user! " },
    { "{{ none }}{{ true }}{{ [] }}{{ {} }}{{ '' }}{{ \"%s\" }}{{ 10 // 3 }}{{ 7.5 // 2 }}{{ -7.5 % 2 }}{{ 2 * 0.1 }}{{"
      " 100000000000000000000.0 }}{{ 0.0001 }}{{ 0.00001 }}",
      "NoneTrue[]{}%s33.00.50.21e+200.00011e-05" },
    { "{{ messages[0] }}{{ messages | string | length }}",
      "{'role': 'system', 'content': ' Be  brief. '}210" },
    { "{% if messages[0].role is defined and messages[0].role is not none and messages[0].role in ['system', 'develop"
      "er'] %}ok{% endif %}{{ (1, 2) | length }}{{ namespace(a=1).a }}{{ dict(a=1, b=2) }}",
      "ok21{'a': 1, 'b': 2}" },
    { "{{ messages | tojson | length }} {{ 'é' | tojson }} {{ \"\\u007f\\u2028\" | tojson }} {{ f | tojson }} {{ {'a b': "
      "'c\"d\\\\'} | tojson }}",
      "210 \"é\" \"\177 \" 2.5 {\"a b\": \"c\\\"d\\\\\"}" },
    { "{{ 5 is lt 6 }}{{ [1,2,3][1:] }}{{ [1,2,3][:-1] }}{{ [1,2,3][-5:2] }}{{ \"abc\"[10] }}|{{ [1,2,3][::-1] }}{{ mes"
      "sages[:1] | length }}",
      "True[2, 3][1, 2][1, 2]|[3, 2, 1]1" },
    { "{% if messages[0]['role'] == 'system' %}{% set rest = messages[1:] %}{% set sys = messages[0]['content'] %}{% "
      "else %}{% set rest = messages %}{% set sys = false %}{% endif %}{% for m in rest %}{% if (m['role'] == 'user')"
      " != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must take turns') }}{% endif %}{% if loop.index0 == 0 a"
      "nd sys != false %}{% set text = '<<SYS>>\\n' + sys + '\\n<</SYS>>\\n\\n' + m['content'] %}{% else %}{% set text = "
      "m['content'] %}{% endif %}{% if m['role'] == 'user' %}{{ bos_token + '[INST] ' + text.strip() + ' [/INST]' }}{"
      "% elif m['role'] == 'assistant' %}{{ ' ' + text.strip() + ' ' + eos_token }}{% endif %}{% endfor %}",
      "<s>[INST] <<SYS>>\n"
      " Be  brief. \n"
      "<</SYS>>\n"
      "\n"
      "Hi <there> \"q\" 'a'\n"
      "\té 中 [/INST] <think>x\n"
      "</think>\n"
      "\n"
      "answer </s><s>[INST] more [/INST]" },
    { "{% set all = messages %}{% for m in all %}{% set text = '<|start_header_id|>' + m['role'] + '<|end_header_id|>"
      "\\n\\n' + m['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set text = bos_token + text %}{% endi"
      "f %}{{ text }}{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n'"
      " }}{% endif %}",
      "<s><|start_header_id|>system<|end_header_id|>\n"
      "\n"
      "Be  brief.<|eot_id|><|start_header_id|>user<|end_header_id|>\n"
      "\n"
      "Hi <there> \"q\" 'a'\n"
      "\té 中<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n"
      "\n"
      "<think>x\n"
      "</think>\n"
      "\n"
      "answer<|eot_id|><|start_header_id|>user<|end_header_id|>\n"
      "\n"
      "more<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n"
      "\n" },
    { "{{- bos_token }}\n"
      "{%- if custom_tools is defined %}\n"
      "    {%- set tools = custom_tools %}\n"
      "{%- endif %}\n"
      "{%- if not date_string is defined %}\n"
      "    {%- set date_string = \"26 Jul 2024\" %}\n"
      "{%- endif %}\n"
      "{#- The system message is taken out, so that it can stand first #}\n"
      "{%- if messages[0]['role'] == 'system' %}\n"
      "    {%- set told = messages[0]['content']|trim %}\n"
      "    {%- set messages = messages[1:] %}\n"
      "{%- else %}\n"
      "    {%- set told = \"\" %}\n"
      "{%- endif %}\n"
      "{{- \"<|start_header_id|>system<|end_header_id|>\\n\\n\" }}\n"
      "{%- if builtin_tools is defined or tools is not none %}\n"
      "    {{- \"Environment: ipython\\n\" }}\n"
      "{%- endif %}\n"
      "{%- if builtin_tools is defined %}\n"
      "    {{- \"Tools: \" + builtin_tools | reject('equalto', 'code_interpreter') | join(\", \") + \"\\n\\n\"}}\n"
      "{%- endif %}\n"
      "{{- \"Today: \" + date_string + \"\\n\\n\" }}\n"
      "{%- if tools is not none %}\n"
      "    {%- for t in tools %}\n"
      "        {{- t | tojson(indent=4) }}\n"
      "        {{- \"\\n\\n\" }}\n"
      "    {%- endfor %}\n"
      "{%- endif %}\n"
      "{{- told }}\n"
      "{{- \"<|eot_id|>\" }}\n"
      "{%- for message in messages %}\n"
      "    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}\n"
      "        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|"
      "eot_id|>' }}\n"
      "    {%- elif 'tool_calls' in message %}\n"
      "        {%- if not message.tool_calls|length == 1 %}\n"
      "            {{- raise_exception(\"One tool call at a time\") }}\n"
      "        {%- endif %}\n"
      "        {%- set call = message.tool_calls[0].function %}\n"
      "        {{- '{\"name\": \"' + call.name + '\", \"parameters\": ' }}\n"
      "        {{- call.arguments | tojson }}\n"
      "        {{- \"}\" }}\n"
      "    {%- endif %}\n"
      "{%- endfor %}\n"
      "{%- if add_generation_prompt %}\n"
      "    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}\n"
      "{%- endif %}",
      "<s><|start_header_id|>system<|end_header_id|>\n"
      "\n"
      "Environment: ipython\n"
      "Today: 26 Jul 2024\n"
      "\n"
      "{\n"
      "    \"name\": \"f\",\n"
      "    \"parameters\": {\n"
      "        \"a\": [\n"
      "            1,\n"
      "            2.5,\n"
      "            null,\n"
      "            true\n"
      "        ],\n"
      "        \"b\": {}\n"
      "    },\n"
      "    \"l\": []\n"
      "}\n"
      "\n"
      "Be  brief.<|eot_id|><|start_header_id|>user<|end_header_id|>\n"
      "\n"
      "Hi <there> \"q\" 'a'\n"
      "\té 中<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n"
      "\n"
      "<think>x\n"
      "</think>\n"
      "\n"
      "answer<|eot_id|><|start_header_id|>user<|end_header_id|>\n"
      "\n"
      "more<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n"
      "\n" },
    { "{%- if tools %}\n"
      "    {{- '<|im_start|>system\\n' }}\n"
      "    {%- if messages[0]['role'] == 'system' %}\n"
      "        {{- messages[0]['content'] }}\n"
      "    {%- else %}\n"
      "        {{- 'You help.' }}\n"
      "    {%- endif %}\n"
      "    {{- \"\\n\\n# Tools\\n<tools>\" }}\n"
      "    {%- for tool in tools %}\n"
      "        {{- \"\\n\" }}\n"
      "        {{- tool | tojson }}\n"
      "    {%- endfor %}\n"
      "    {{- \"\\n</tools>\\n{\\\"name\\\": <name>}<|im_end|>\\n\" }}\n"
      "{%- else %}\n"
      "    {%- if messages[0]['role'] == 'system' %}\n"
      "        {{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}\n"
      "    {%- endif %}\n"
      "{%- endif %}\n"
      "{%- for message in messages %}\n"
      "    {%- if (message.role == \"user\") or (message.role == \"system\" and not loop.first) or (message.role == \"assi"
      "stant\" and not message.tool_calls) %}\n"
      "        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}\n"
      "    {%- elif message.role == \"assistant\" %}\n"
      "        {{- '<|im_start|>' + message.role }}\n"
      "        {%- if message.content %}\n"
      "            {{- '\\n' + message.content }}\n"
      "        {%- endif %}\n"
      "        {%- for tool_call in message.tool_calls %}\n"
      "            {%- if tool_call.function is defined %}\n"
      "                {%- set tool_call = tool_call.function %}\n"
      "            {%- endif %}\n"
      "            {{- '\\n{\"name\": \"' }}\n"
      "            {{- tool_call.name }}\n"
      "            {{- '\", \"arguments\": ' }}\n"
      "            {{- tool_call.arguments | tojson }}\n"
      "            {{- '}' }}\n"
      "        {%- endfor %}\n"
      "        {{- '<|im_end|>\\n' }}\n"
      "    {%- elif message.role == \"tool\" %}\n"
      "        {%- if (loop.index0 == 0) or (messages[loop.index0 - 1].role != \"tool\") %}\n"
      "            {{- '<|im_start|>user' }}\n"
      "        {%- endif %}\n"
      "        {{- '\\n<tool_response>\\n' }}\n"
      "        {{- message.content }}\n"
      "        {{- '\\n</tool_response>' }}\n"
      "        {%- if loop.last or (messages[loop.index0 + 1].role != \"tool\") %}\n"
      "            {{- '<|im_end|>\\n' }}\n"
      "        {%- endif %}\n"
      "    {%- endif %}\n"
      "{%- endfor %}\n"
      "{%- if add_generation_prompt %}\n"
      "    {{- '<|im_start|>assistant\\n' }}\n"
      "{%- endif %}",
      "<|im_start|>system\n"
      " Be  brief. \n"
      "\n"
      "# Tools\n"
      "<tools>\n"
      "{\"name\": \"f\", \"parameters\": {\"a\": [1, 2.5, null, true], \"b\": {}}, \"l\": []}\n"
      "</tools>\n"
      "{\"name\": <name>}<|im_end|>\n"
      "<|im_start|>user\n"
      "Hi <there> \"q\" 'a'\n"
      "\té 中<|im_end|>\n"
      "<|im_start|>assistant\n"
      "<think>x\n"
      "</think>\n"
      "\n"
      "answer<|im_end|>\n"
      "<|im_start|>user\n"
      "more<|im_end|>\n"
      "<|im_start|>assistant\n" },
    { "{%- set ns = namespace(multi_step=true, last=messages|length - 1) %}\n"
      "{%- for message in messages[::-1] %}\n"
      "    {%- set index = (messages|length - 1) - loop.index0 %}\n"
      "    {%- if ns.multi_step and message.role == \"user\" and message.content is string and not(message.content.star"
      "tswith('<tool_response>') and message.content.endswith('</tool_response>')) %}\n"
      "        {%- set ns.multi_step = false %}\n"
      "        {%- set ns.last = index %}\n"
      "    {%- endif %}\n"
      "{%- endfor %}\n"
      "{%- for message in messages %}\n"
      "    {%- if message.content is string %}\n"
      "        {%- set content = message.content %}\n"
      "    {%- else %}\n"
      "        {%- set content = '' %}\n"
      "    {%- endif %}\n"
      "    {%- if message.role == \"assistant\" %}\n"
      "        {%- set thoughts = '' %}\n"
      "        {%- if message.reasoning_content is string %}\n"
      "            {%- set thoughts = message.reasoning_content %}\n"
      "        {%- else %}\n"
      "            {%- if '</think>' in content %}\n"
      "                {%- set thoughts = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n')"
      " %}\n"
      "                {%- set content = content.split('</think>')[-1].lstrip('\\n') %}\n"
      "            {%- endif %}\n"
      "        {%- endif %}\n"
      "        {%- if loop.index0 > ns.last and (loop.last or (not loop.last and thoughts)) %}\n"
      "            {{- '<|im_start|>' + message.role + '\\n<think>\\n' + thoughts.strip('\\n') + '\\n</think>\\n\\n' + cont"
      "ent.lstrip('\\n') }}\n"
      "        {%- else %}\n"
      "            {{- '<|im_start|>' + message.role + '\\n' + content }}\n"
      "        {%- endif %}\n"
      "        {{- '<|im_end|>\\n' }}\n"
      "    {%- else %}\n"
      "        {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>' + '\\n' }}\n"
      "    {%- endif %}\n"
      "{%- endfor %}\n"
      "{%- if add_generation_prompt %}\n"
      "    {{- '<|im_start|>assistant\\n' }}\n"
      "    {%- if enable_thinking is defined and enable_thinking is false %}\n"
      "        {{- '<think>\\n\\n</think>\\n\\n' }}\n"
      "    {%- endif %}\n"
      "{%- endif %}",
      "<|im_start|>system\n"
      " Be  brief. <|im_end|>\n"
      "<|im_start|>user\n"
      "Hi <there> \"q\" 'a'\n"
      "\té 中<|im_end|>\n"
      "<|im_start|>assistant\n"
      "answer<|im_end|>\n"
      "<|im_start|>user\n"
      "more<|im_end|>\n"
      "<|im_start|>assistant\n" },
    { "{{ bos_token }}{% for m in messages[1:] %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exc"
      "eption('user and assistant take turns') }}{% endif %}{% if m['role'] == 'user' %}{{ '[INST] ' + m['content'] +"
      " ' [/INST]' }}{% elif m['role'] == 'assistant' %}{{ m['content'] + eos_token + ' ' }}{% else %}{{ raise_except"
      "ion('only user and assistant') }}{% endif %}{% endfor %}",
      "<s>[INST] Hi <there> \"q\" 'a'\n"
      "\té 中 [/INST]<think>x\n"
      "</think>\n"
      "\n"
      "answer</s> [INST] more [/INST]" },
    { "{%- if messages[0][\"role\"] == \"system\" %}\n"
      "    {%- set told = messages[0][\"content\"] %}\n"
      "    {%- set turns = messages[1:] %}\n"
      "{%- else %}\n"
      "    {%- set turns = messages %}\n"
      "{%- endif %}\n"
      "{%- set users = turns | selectattr(\"role\", \"equalto\", \"user\") | list %}\n"
      "{%- set ns = namespace() %}\n"
      "{%- set ns.index = 0 %}\n"
      "{%- for m in turns %}\n"
      "    {%- if not (m.role == \"tool\" or (m.tool_calls is defined and m.tool_calls is not none)) %}\n"
      "        {%- if (m[\"role\"] == \"user\") != (ns.index % 2 == 0) %}\n"
      "            {{- raise_exception(\"turns\") }}\n"
      "        {%- endif %}\n"
      "        {%- set ns.index = ns.index + 1 %}\n"
      "    {%- endif %}\n"
      "{%- endfor %}\n"
      "{{- bos_token }}\n"
      "{%- for m in turns %}\n"
      "    {%- if m[\"role\"] == \"user\" %}\n"
      "        {%- if tools is not none and (m == users[-1]) %}\n"
      "            {{- \"[AVAILABLE_TOOLS] [\" }}\n"
      "            {%- for tool in tools %}\n"
      "                {{- '{\"type\": \"function\", \"function\": {' }}\n"
      "                {%- for key, val in tool.items() if key != \"return\" %}\n"
      "                    {%- if val is string %}\n"
      "                        {{- '\"' + key + '\": \"' + val + '\"' }}\n"
      "                    {%- else %}\n"
      "                        {{- '\"' + key + '\": ' + val|tojson }}\n"
      "                    {%- endif %}\n"
      "                    {%- if not loop.last %}\n"
      "                        {{- \", \" }}\n"
      "                    {%- endif %}\n"
      "                {%- endfor %}\n"
      "                {{- \"}}\" }}\n"
      "                {%- if not loop.last %}\n"
      "                    {{- \", \" }}\n"
      "                {%- else %}\n"
      "                    {{- \"]\" }}\n"
      "                {%- endif %}\n"
      "            {%- endfor %}\n"
      "            {{- \"[/AVAILABLE_TOOLS]\" }}\n"
      "        {%- endif %}\n"
      "        {%- if loop.last and told is defined %}\n"
      "            {{- \"[INST] \" + told + \"\\n\\n\" + m[\"content\"] + \"[/INST]\" }}\n"
      "        {%- else %}\n"
      "            {{- \"[INST] \" + m[\"content\"] + \"[/INST]\" }}\n"
      "        {%- endif %}\n"
      "    {%- elif m[\"role\"] == \"assistant\" %}\n"
      "        {{- \" \" + m[\"content\"]|trim + eos_token}}\n"
      "    {%- endif %}\n"
      "{%- endfor %}",
      "<s>[INST] Hi <there> \"q\" 'a'\n"
      "\té 中[/INST] <think>x\n"
      "</think>\n"
      "\n"
      "answer</s>[AVAILABLE_TOOLS] [{\"type\": \"function\", \"function\": {\"name\": \"f\", \"parameters\": {\"a\": [1, 2.5, null,"
      " true], \"b\": {}}, \"l\": []}}][/AVAILABLE_TOOLS][INST]  Be  brief. \n"
      "\n"
      "more[/INST]" },
    { "{% for message in messages %}\n"
      "{% if message['role'] == 'user' %}\n"
      "{{ '<|user|>\n"
      "' + message['content'] + eos_token }}\n"
      "{% elif message['role'] == 'system' %}\n"
      "{{ '<|system|>\n"
      "' + message['content'] + eos_token }}\n"
      "{% elif message['role'] == 'assistant' %}\n"
      "{{ '<|assistant|>\n"
      "'  + message['content'] + eos_token }}\n"
      "{% endif %}\n"
      "{% if loop.last and add_generation_prompt %}\n"
      "{{ '<|assistant|>' }}\n"
      "{% endif %}\n"
      "{% endfor %}",
      "<|system|>\n"
      " Be  brief. </s>\n"
      "<|user|>\n"
      "Hi <there> \"q\" 'a'\n"
      "\té 中</s>\n"
      "<|assistant|>\n"
      "<think>x\n"
      "</think>\n"
      "\n"
      "answer</s>\n"
      "<|user|>\n"
      "more</s>\n"
      "<|assistant|>\n" },
    { "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n"
      "' + message['content'] + '<|im_end|>' + '\n"
      "'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n"
      "' }}{% endif %}",
      "<|im_start|>system\n"
      " Be  brief. <|im_end|>\n"
      "<|im_start|>user\n"
      "Hi <there> \"q\" 'a'\n"
      "\té 中<|im_end|>\n"
      "<|im_start|>assistant\n"
      "<think>x\n"
      "</think>\n"
      "\n"
      "answer<|im_end|>\n"
      "<|im_start|>user\n"
      "more<|im_end|>\n"
      "<|im_start|>assistant\n" },
    { "{% for m in messages %}{% if m['role'] == 'system' and m['content'] %}{{'<|system|>\n"
      "' + m['content'] + '<|end|>\n"
      "'}}{% elif m['role'] == 'user' %}{{'<|user|>\n"
      "' + m['content'] + '<|end|>\n"
      "'}}{% elif m['role'] == 'assistant' %}{{'<|assistant|>\n"
      "' + m['content'] + '<|end|>\n"
      "'}}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n"
      "' }}{% else %}{{ eos_token }}{% endif %}",
      "<|system|>\n"
      " Be  brief. <|end|>\n"
      "<|user|>\n"
      "Hi <there> \"q\" 'a'\n"
      "\té 中<|end|>\n"
      "<|assistant|>\n"
      "<think>x\n"
      "</think>\n"
      "\n"
      "answer<|end|>\n"
      "<|user|>\n"
      "more<|end|>\n"
      "<|assistant|>\n" },
    { "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set messages = messages[1:] %}{% endif %}{% for mess"
      "age in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('turns') }}"
      "{% endif %}{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['r"
      "ole'] %}{% endif %}{{ '<start_of_turn>' + role + '\n"
      "' + message['content'] | trim + '<end_of_turn>\n"
      "' }}{% endfor %}{% if add_generation_prompt %}{{'<start_of_turn>model\n"
      "'}}{% endif %}",
      "<s><start_of_turn>user\n"
      "Hi <there> \"q\" 'a'\n"
      "\té 中<end_of_turn>\n"
      "<start_of_turn>model\n"
      "<think>x\n"
      "</think>\n"
      "\n"
      "answer<end_of_turn>\n"
      "<start_of_turn>user\n"
      "more<end_of_turn>\n"
      "<start_of_turn>model\n" },
    { "{%- macro render(content, deep) -%}\n"
      "    {%- if content is string -%}\n"
      "        {{- content | trim -}}\n"
      "    {%- elif content is iterable -%}\n"
      "        {%- for item in content -%}\n"
      "            {%- if item['type'] == 'text' -%}{{- item['text'] -}}{%- endif -%}\n"
      "        {%- endfor -%}\n"
      "    {%- endif -%}\n"
      "{%- endmacro -%}\n"
      "{{ bos_token }}\n"
      "{%- set prefix = messages[0]['content'] + '\\n\\n' if messages[0]['role'] == 'system' else \"\" -%}\n"
      "{%- for m in (messages[1:] if prefix else messages) -%}\n"
      "    {%- set role = \"model\" if m['role'] == 'assistant' else m['role'] -%}\n"
      "    {{ '<start_of_turn>' + role + '\\n' + (prefix if loop.first else \"\") }}\n"
      "    {{- render(m['content'], true) }}{{ '<end_of_turn>\\n' }}\n"
      "{%- endfor -%}\n"
      "{%- if add_generation_prompt -%}{{ '<start_of_turn>model\\n' }}{%- endif -%}",
      "<s><start_of_turn>user\n"
      " Be  brief. \n"
      "\n"
      "Hi <there> \"q\" 'a'\n"
      "\té 中<end_of_turn>\n"
      "<start_of_turn>model\n"
      "<think>x\n"
      "</think>\n"
      "\n"
      "answer<end_of_turn>\n"
      "<start_of_turn>user\n"
      "more<end_of_turn>\n"
      "<start_of_turn>model\n" },
};

#endif
