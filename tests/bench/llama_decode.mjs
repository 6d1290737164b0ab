// llama_decode.mjs FILE THREADS PROMPT TOKENS PREFILL - llama.cpp's tokens/s on a GGUF file as one line of JSON: after PROMPT random
// ids TOKENS more, one at a time, greedily; and PREFILL random ids at once. With one thread in CPU time, with more in the wall's.
// Runs where node-llama-cpp is installed. SPDX-License-Identifier: MIT
import { getLlama, LlamaLogLevel } from 'node-llama-cpp';

const [file, [threads, prompt, tokens, prefill]] = [process.argv[2], process.argv.slice(3).map(Number)];
const llama = await getLlama({ gpu: false, build: 'never', logLevel: LlamaLogLevel.error, maxThreads: threads });
const model = await llama.loadModel({ modelPath: file, gpuLayers: 0 });
const most = Math.max(prompt, prefill);
const context = await model.createContext({ threads, contextSize: most + tokens + 1, batchSize: most });
const sequence = context.getSequence();
let state = 1;
const ids = n => Array.from({ length: n }, () => 300 + (state = (state * 48271) % 2147483647) % (model.fileInfo.metadata.llama.vocab_size - 300));
const now = () => {
    const cpu = process.cpuUsage();
    return threads === 1 ? (cpu.user + cpu.system) / 1e6 : Number(process.hrtime.bigint()) / 1e9;
};

async function fill(n) {
    await sequence.clearHistory();
    const begin = now();
    await sequence.evaluateWithoutGeneratingNewTokens(ids(n));
    return n / (now() - begin);
}

await fill(prompt);                                   // pages come in, threads start
await fill(prompt);
let count = -1, begin = 0;
for await (const token of sequence.evaluate(ids(1), { temperature: 0, yieldEogToken: true })) {
    if (++count === 0) begin = now();
    if (count === tokens) break;
}
const decode = tokens / (now() - begin);
console.log(JSON.stringify({ decode, prefill: await fill(prefill) }));
process.exit(0);
