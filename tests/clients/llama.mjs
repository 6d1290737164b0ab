// llama.mjs CASES.json - do llama.cpp and @huggingface/gguf read our GGUF files as what they are? A case has
//   name, file       what to say, the GGUF file
//   rows, within     lines of `signum logprobs --top` (the whole vocabulary), most that log p may differ anywhere in them
//   adapter          (optional) a LoRA adapter that goes with it
//   shape            (optional) config.json of the model; expected names, shapes and values follow from it
//   types            with `shape`: {tensor: type, '': type of other matrices}, else F32, which vectors are in any case
//   text, ids        (optional) a text and its token ids
//   must_fail        (optional) the case passes only if log p differs by more, or the file is refused
// SPDX-License-Identifier: MIT
import { gguf, GGMLQuantizationType } from '@huggingface/gguf';
import { getLlama, LlamaLogLevel } from 'node-llama-cpp';
import { readFileSync } from 'node:fs';

const cases = JSON.parse(readFileSync(process.argv[2]));
const llama = await getLlama({ build: 'never', gpu: false, skipDownload: true, progressLogs: false, logLevel: LlamaLogLevel.error, maxThreads: 2,
    logger: (level, message) => { log.push(message); } });
let log = [];
const expect = (what, got, want) => {
    const [a, b] = [got, want].map((x) => JSON.stringify(x));
    if (a !== b) throw new Error(`${what}: ${a}, expected ${b}`);
};
const expectAll = (what, got, want) => {
    for (const key of new Set([...Object.keys(got), ...Object.keys(want)])) expect(`${what} ${key}`, got[key], want[key]);
};

// --- the header, by @huggingface/gguf ------------------------------------------------------------------------------

function tensorsOf(c) {        // name -> shape, the innermost first, as GGUF has it
    const d = c.hidden_size, h = c.intermediate_size, hd = c.head_dim ?? d / c.num_attention_heads;
    const q = c.num_attention_heads * hd, kv = c.num_key_value_heads * hd;
    const all = { 'token_embd.weight': [d, c.vocab_size], 'output_norm.weight': [d] };
    if (!c.tie_word_embeddings) all['output.weight'] = [d, c.vocab_size];
    for (let i = 0; i < c.num_hidden_layers; i++)
        Object.assign(all, Object.fromEntries(Object.entries({
            attn_norm: [d], ffn_norm: [d], attn_q: [d, q], attn_k: [d, kv], attn_v: [d, kv], attn_output: [q, d],
            ffn_gate: [d, h], ffn_up: [d, h], ffn_down: [h, d] }).map(([n, s]) => [`blk.${i}.${n}.weight`, s])));
    return all;
}

async function checkHeader(c) {
    const { metadata, tensorInfos } = await gguf(c.file, { allowLocalFile: true });
    const shape = JSON.parse(readFileSync(c.shape)), want = tensorsOf(shape);
    const typeOf = (name) => c.types[name] ?? c.types[''] ?? 'F32';
    expectAll('tensor', Object.fromEntries(tensorInfos.map((t) => [t.name, [t.shape.map(Number), GGMLQuantizationType[t.dtype]]])),
        Object.fromEntries(Object.entries(want).map(([n, s]) => [n, [s, s.length === 1 ? 'F32' : typeOf(n)]])));
    expect('general.architecture', metadata['general.architecture'], 'llama');
    const values = { embedding_length: shape.hidden_size, block_count: shape.num_hidden_layers, feed_forward_length: shape.intermediate_size,
        context_length: shape.max_position_embeddings, 'attention.head_count': shape.num_attention_heads,
        'attention.head_count_kv': shape.num_key_value_heads };
    expectAll('llama', Object.fromEntries(Object.keys(values).map((key) => [key, Number(metadata[`llama.${key}`])])), values);
    expect('llama.attention.layer_norm_rms_epsilon', metadata['llama.attention.layer_norm_rms_epsilon'], Math.fround(shape.rms_norm_eps));
    const rope = shape.rope_scaling ? shape.rope_scaling.factor : undefined;
    expect('llama.rope.freq_base', metadata['llama.rope.freq_base'], Math.fround(shape.rope_theta));
    expect('llama.rope.scaling.factor', metadata['llama.rope.scaling.factor'], rope);
    return tensorInfos.length;
}

// --- log-probabilities, by llama.cpp ----------------------------------------------------------------------------------

const logSum = (z) => {
    const most = z.reduce((a, b) => Math.max(a, b), -Infinity);
    return most + Math.log(z.reduce((sum, x) => sum + Math.exp(x - most), 0));
};

// Its cache as F32 and its attention unfused: by its defaults, which round keys and values to F16, log p of an F32 file is 0.025 off.
// Room behind the tokens: a context that is full is shifted, and then the last position is another.
async function evaluate(c, model) {
    const rows = readFileSync(c.rows, 'utf8').trim().split('\n').map((line) => JSON.parse(line));
    const vocab = rows[0].top.length;
    const context = await model.createContext({ contextSize: rows.length + 64, batchSize: rows.length, threads: 2, flashAttention: false,
        experimentalKvCacheKeyType: 'F32', experimentalKvCacheValueType: 'F32', ...(c.adapter ? { lora: { adapters: [{ filePath: c.adapter }] } } : {}) });
    const steps = await context.getSequence().controlledEvaluate(rows.map((r) => [r.token, { generateNext: { logits: true } }]));
    await context.dispose();
    const off = { log: 0, at: -1, first: 0 };
    rows.forEach((row, i) => {
        const z = steps[i].next.logits;
        expect(`logits at position ${i}`, z.size, vocab);
        const sum = logSum([...z.values()]);
        for (const [id, logp] of row.top) {
            const d = Math.abs(z.get(id) - sum - logp);
            if (!(d <= off.log)) Object.assign(off, { log: d, at: i });
        }
        const best = [...z].reduce((a, b) => (b[1] > a[1] ? b : a))[0];
        off.first += best === row.top[0][0];
    });
    return { ...off, positions: rows.length };
}

async function check(c) {
    const said = [];
    if (c.shape) said.push(`${await checkHeader(c)} tensors as expected`);
    const model = await llama.loadModel({ modelPath: c.file, gpuLayers: 0 });
    if (c.text) {
        const ids = model.tokenize(readFileSync(c.text, 'utf8'), false).map(Number), want = readFileSync(c.ids, 'utf8').trim().split(/\s+/).map(Number);
        const at = ids.findIndex((id, i) => id !== want[i]);
        if (at >= 0 || ids.length !== want.length)
            throw new Error(`${ids.length} ids of ${c.text}, ours are ${want.length}; from ${at}: ${ids.slice(at, at + 6)}, ours ${want.slice(at, at + 6)}`);
        said.push(`${ids.length} ids of a text alike`);
    }
    if (c.rows) {
        const off = await evaluate(c, model);
        said.push(`log p within ${off.log.toPrecision(2)} at ${off.positions} positions, ${off.first} likeliest alike`);
        if (!(off.log <= c.within)) throw new Error(`${said.join('; ')}: position ${off.at} is off, ${c.within} is allowed`);
    }
    await model.dispose();
    return said.join('; ');
}

let failed = 0;
for (const c of cases) {
    log = [];
    let wrong = null, said = '';
    try { said = await check(c); } catch (e) { wrong = e; }
    if (c.must_fail ? wrong : !wrong) console.log(`  ok   ${c.name}: ${c.must_fail ? `found: ${wrong.message}` : said}`);
    else {
        failed++;
        console.error(`FAIL ${c.name}: ${wrong ? wrong.message : `passed, though it is damaged: ${said}`}${log.length ? `\n  llama.cpp: ${log.join('').trim().split('\n').slice(-3).join('\n  ')}` : ''}`);
    }
}
process.exit(failed ? 1 : 0);
