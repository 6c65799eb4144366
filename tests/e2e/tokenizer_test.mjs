// A model that is counted by a tokenizer.json of the operator's: judged by `check`, and read anew
// where it was replaced.
import assert from 'node:assert/strict';
import { renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import {
  folder,
  poll,
  question,
  standard,
  startGateway,
  startMock,
  tollgate,
  writeConfig,
} from './harness.mjs';

const SPACE = '\u2581';
const WORD = 'abcd';
const TIMES = 1000;

/** Every byte, and what else is given, as a unigram vocabulary. */
function tokenizer(...words) {
  const byte = (n) => [`<0x${n.toString(16).toUpperCase().padStart(2, '0')}>`, 0];
  const vocab = [...Array(256).keys()].map(byte);
  for (const text of [SPACE, ...WORD]) vocab.push([text, -2]);
  for (const text of words) vocab.push([text, -1]);
  return JSON.stringify({
    normalizer: { type: 'Sequence', normalizers: [] },
    pre_tokenizer: { type: 'Metaspace', replacement: SPACE, prepend_scheme: 'always', split: true },
    model: { type: 'Unigram', unk_id: 0, vocab, byte_fallback: true },
  });
}

/** In the place of the one that is there, as a deployment does it. */
function replace(cwd, text) {
  writeFileSync(path.join(cwd, 'new'), text);
  renameSync(path.join(cwd, 'new'), path.join(cwd, 'tokenizer.json'));
}

function configured(url) {
  const config = standard(url);
  config.models.small.tokenizer = 'tokenizer.json';
  return config;
}

describe('a tokenizer.json', () => {
  it('is read anew by a reload where it was replaced, and one that is broken is not', async (t) => {
    const mock = await startMock(t);
    const cwd = folder(t);
    replace(cwd, tokenizer());
    const config = configured(mock.url);
    const gateway = await startGateway(t, config, { cwd });
    const key = await gateway.key();
    const ask = async () => {
      const body = question(WORD.repeat(TIMES));
      const reply = await gateway.post('/v1/chat/completions', { ...body, max_tokens: 1 }, key);
      await reply.arrayBuffer();
      return reply.status === 200 ? 200 : reply.headers.get('x-tollgate-reason');
    };
    // The route takes 4,000 tokens, and a letter is one.
    assert.equal(await ask(), 'prompt_too_large');
    replace(cwd, tokenizer(WORD));
    assert.equal(await ask(), 'prompt_too_large');
    await gateway.reload(config);
    assert.equal(await ask(), 200);

    replace(cwd, '{"model":{}}');
    gateway.program.signal('SIGHUP');
    const refused = /was not taken over: .*tokenizer\.json/;
    await poll(() => refused.test(gateway.program.stderr), 'the refusal of the broken file');
    assert.equal(await ask(), 200);
    replace(cwd, tokenizer());
    await gateway.reload(config);
    assert.equal(await ask(), 'prompt_too_large');
  });

  it('is opened and judged by `check`', async (t) => {
    const cwd = folder(t);
    const file = path.join(cwd, 'tollgate.yaml');
    writeConfig(file, configured('http://127.0.0.1:9'));
    const check = async () => {
      const told = await tollgate(['check', '-c', file, '--format', 'json'], { cwd });
      return { code: told.code, ...JSON.parse(told.stdout) };
    };
    const missing = await check();
    assert.deepEqual([missing.code, missing.valid, missing.problems.length], [2, false, 1]);
    assert.equal(missing.problems[0].field, 'models.small.tokenizer');
    assert.match(missing.problems[0].message, /tokenizer\.json: No such file/);
    replace(cwd, tokenizer().replace('"unk_id":0', '"unk_id":0,"unk_id":0'));
    const doubled = await check();
    assert.match(doubled.problems[0].message, /model: `unk_id` is there twice/);
    replace(cwd, tokenizer());
    assert.equal((await check()).valid, true);
  });
});
