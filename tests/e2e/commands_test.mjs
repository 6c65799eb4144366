// The commands beside serve: what they print, and the exit codes of the contract.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import {
  BIN,
  countTokens,
  folder,
  poll,
  Program,
  standard,
  tollgate,
  writeConfig,
} from './harness.mjs';

const GOOD = `
listeners: { public: { address: 127.0.0.1:8443, exposure: public } }
authentication: { api_keys: {} }
upstreams: { vllm: { url: "http://127.0.0.1:8000/v1", speaks: openai } }
models:
  small: { upstream: vllm, tokenizer: o200k_base, price_per_million: { input: 0.05, output: 0.10 } }
tenants: { acme: { budget: { usd: 500, per: month, when_exhausted: refuse } } }
limits: { tenant_id: { requests_per_minute: 120, input_tokens_per_minute: 80000, concurrent_requests: 6 } }
routes:
  - name: chat
    path: /v1/chat/completions
    models: [small]
    allow: [{ tenants: [acme] }]
    prompt: { body: 1MiB, input_tokens: 32000, output_tokens: 4096, choices: 1 }
`;

function written(t, text) {
  const file = path.join(folder(t), 'tollgate.yaml');
  writeConfig(file, text);
  return file;
}

describe('check', () => {
  it('has nothing to say of a good file', async (t) => {
    const { code, stdout, stderr } = await tollgate(['check', '-c', written(t, GOOD)]);
    assert.equal(code, 0, stdout + stderr);
  });

  it('tells every mistake at once, with file, line, field and the nearest name', async (t) => {
    const file = written(
      t,
      `
lisceners: {}
upstreams: { vllm: { url: "ftp://x", speaks: latin } }
models:
  small: { upstream: vlm, tokenizer: o200k_bas, price_per_million: { input: cheap, output: 0.10 } }
tenants: { acme: { budget: { usd: -1, per: fortnight } } }
limits: { tenant_id: { request_per_minute: 120 } }
routes:
  - name: chat
    path: /v1/chat/completions
    models: [smal]
    allow: [{ tenants: [acmee] }]
    prompt: { bdy: 1MiB }
`,
    );
    const { code, stdout, stderr } = await tollgate(['check', '-c', file]);
    assert.equal(code, 2);
    const told = stdout + stderr;
    const expected = [
      [2, 'listeners'],
      [3, 'http'],
      [3, 'openai'],
      [5, 'vllm'],
      [5, 'o200k_base'],
      [6, 'usd'],
      [6, 'month'],
      [7, 'requests_per_minute'],
      [11, 'small'],
      [12, 'acme'],
      [13, 'body'],
    ];
    for (const [line, word] of expected) {
      assert.match(told, new RegExp(`tollgate\\.yaml:${line}:\\d+: .*${word}`), told);
    }
  });

  it('never accepts a control and then not applies it', async (t) => {
    const { code, stdout, stderr } = await tollgate([
      'check',
      '-c',
      written(t, `${GOOD}telemetry: { to: somewhere }\n`),
    ]);
    assert.equal(code, 2);
    assert.match(stdout + stderr, /telemetry/);
  });

  it('finds what is weak, and how to mend it', async (t) => {
    const weak = GOOD.replace('127.0.0.1:8443', '0.0.0.0:8443').replace(
      '    allow: [{ tenants: [acme] }]\n',
      '',
    );
    const file = written(t, weak);
    const { code, stdout } = await tollgate(['check', '-c', file]);
    assert.equal(code, 1, stdout);
    assert.match(stdout, /allow/);
    const { findings } = JSON.parse(
      (await tollgate(['check', '-c', file, '--format', 'json'])).stdout,
    );
    assert.ok(findings.every((finding) => finding.id && finding.message && finding.mend));
    const sarif = JSON.parse((await tollgate(['check', '-c', file, '--format', 'sarif'])).stdout);
    assert.equal(sarif.version, '2.1.0');
    assert.ok(sarif.runs[0].results.length >= 1);
  });

  it('says which file it cannot read', async () => {
    const { code, stderr } = await tollgate(['check', '-c', '/nowhere/tollgate.yaml']);
    assert.equal(code, 2);
    assert.match(stderr, /\/nowhere\/tollgate\.yaml/);
  });

  it('survives a file that is not text, or grows without end', async (t) => {
    const bomb = ['a: &a [x,x,x,x,x,x,x,x]']
      .concat(
        [...'bcdefghi'].map(
          (name, i) => `${name}: &${name} [${Array(8).fill(`*${'abcdefgh'[i]}`)}]`,
        ),
      )
      .join('\n');
    for (const text of [
      '\0\x01\x02',
      bomb,
      '['.repeat(100_000),
      `${GOOD}\n---\n${GOOD}`,
      'a: 1\na: 2\n',
    ]) {
      const { code } = await tollgate(['check', '-c', written(t, text)]);
      assert.equal(code, 2, JSON.stringify(text.slice(0, 40)));
    }
  });
});

describe('count', () => {
  it('counts as the reference does, from files and from standard input', async (t) => {
    const texts = [
      'hello world',
      'Грüße, 世界! 🎉',
      'a'.repeat(5000),
      '  \n\n\t x',
      readFileSync(BIN).subarray(0, 0).toString(),
    ];
    const files = texts.map((text, i) => {
      const file = path.join(folder(t), `${i}.txt`);
      writeFileSync(file, text);
      return file;
    });
    const { stdout, code } = await tollgate(['count', '--tokenizer', 'o200k_base', ...files]);
    assert.equal(code, 0);
    assert.deepEqual(
      stdout.trim().split('\n').map(Number),
      texts.map((text) => countTokens(text)),
    );
    const piped = await tollgate(['count'], { input: 'hello world' });
    assert.equal(piped.stdout.trim(), '2');
    assert.equal((await tollgate(['count', '--tokenizer', 'o200k_bse'], { input: '' })).code, 2);
  });

  it('counts bodies as the gateway would, and refuses those in its words', async (t) => {
    const chat = path.join(folder(t), 'chat.json');
    writeFileSync(chat, '{"model":"m","messages":[{"role":"user","content":"hello world"}]}');
    const count = (...more) => tollgate(['count', '--body', ...more]);

    assert.equal((await count('chat', chat, chat)).stdout, '9\n9\n');
    const qwen = await count('chat', '--tokenizer', 'qwen2_5', '--json', chat);
    const told = JSON.parse(qwen.stdout);
    assert.deepEqual(
      [told.tokens, told.texts, told.framing, told.framing_is_bound, told.is_bound],
      [31, 2, 29, false, false],
    );
    assert.equal(told.chat_template, 'qwen2_5');
    const named = await count('chat', '--chat-template', 'deepseek_v3', chat);
    assert.equal(named.stdout, '5\n');
    const embedding = await tollgate(['count', '--body', 'embeddings'], {
      input: '{"model":"m","input":["hello world",[1,2,3]]}',
    });
    assert.equal(embedding.stdout, `${2 + 2 + 3 + 2 * 2}\n`);

    const broken = path.join(folder(t), 'broken.json');
    writeFileSync(broken, '{"model":"m","messages":[{"role":"user"}]}');
    const refused = await count('chat', broken, chat);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /broken\.json: 'messages\[0\]\.content' is required\./);
    assert.equal(refused.stdout, '9\n');

    for (const [wrong, words] of [
      [['images', chat], /unknown kind of body `images`; known are chat, messages/],
      [['chat', '--chat-template', 'llama4', chat], /unknown chat template `llama4`; known are/],
      [['chat', '--ids', chat], /a body has no ids/],
    ]) {
      const { code, stderr } = await count(...wrong);
      assert.equal(code, 2);
      assert.match(stderr, words);
    }
    assert.equal((await tollgate(['count', '--model', 'm', chat])).code, 2);
  });

  it("counts a body as a configuration's model", async (t) => {
    const at = folder(t);
    const config = path.join(at, 'tollgate.yaml');
    writeFileSync(
      config,
      `listeners: { public: { address: "127.0.0.1:0", exposure: public } }
store: { ledger: memory }
authentication: { api_keys: {} }
upstreams: { vllm: { url: "http://127.0.0.1:9/v1", speaks: openai } }
models:
  exact: { upstream: vllm, tokenizer: llama3, price_per_million: { input: 1, output: 1 } }
  named:
    { upstream: vllm, tokenizer: llama3, chat_template: llama3, price_per_million: { input: 1, output: 1 } }
  bounded: { upstream: vllm, price_per_million: { input: 1, output: 1 } }
tenants: { acme: {} }
routes:
  - name: chat
    path: /v1/chat/completions
    models: [exact, named, bounded]
    allow: [{ tenants: [acme] }]
`,
    );
    const body = '{"model":"m","messages":[{"role":"user","content":"hello world"}]}';
    const count = async (model) => {
      const made = await tollgate(['count', '--body', 'chat', '-c', config, '--model', model, '--json'], {
        input: body,
      });
      return made.code === 0 ? JSON.parse(made.stdout) : made;
    };
    assert.equal((await count('exact')).tokens, 37);
    assert.equal((await count('named')).tokens, 12);
    const bounded = await count('bounded');
    assert.equal(bounded.chat_template, 'largest');
    assert.equal(bounded.is_bound, true);
    // Each text may get a space in front.
    assert.equal(bounded.texts, ' user hello world'.length);
    const unknown = await count('other');
    assert.equal(unknown.code, 2);
    assert.match(unknown.stderr, /has no model `other`/);
  });
});

describe('the command line', () => {
  it('explains itself', async () => {
    const { stdout, code } = await tollgate(['--help']);
    assert.equal(code, 0);
    for (const command of [
      'serve',
      'run',
      'init',
      'demo',
      'mock-model',
      'check',
      'schema',
      'keys',
      'spend',
      'prices',
      'audit',
      'count',
      'completion',
      'version',
    ]) {
      assert.match(stdout, new RegExp(`\\b${command}\\b`));
      const help = await tollgate([command, '--help']);
      assert.equal(help.code, 0, command);
      assert.match(help.stdout, /\S/);
    }
    assert.match((await tollgate(['version'])).stdout, /\d+\.\d+\.\d+/);
    for (const wrong of [
      ['nonsense'],
      ['serve', '--nonsense'],
      ['keys', 'create'],
      ['check', '--format', 'xml'],
    ]) {
      assert.equal((await tollgate(wrong)).code, 2, wrong.join(' '));
    }
  });

  it('completes in the shell', async () => {
    const { stdout } = await tollgate(['completion', 'bash']);
    const checked = spawnSync('bash', ['-n'], { input: stdout, encoding: 'utf8' });
    assert.equal(checked.status, 0, checked.stderr);
    assert.match(stdout, /mock-model/);
    for (const shell of ['zsh', 'fish'])
      assert.equal((await tollgate(['completion', shell])).code, 0);
  });

  it('prints a schema that knows the keys of the file', async () => {
    const schema = JSON.parse((await tollgate(['schema'])).stdout);
    assert.match(schema.$schema, /2020-12/);
    assert.ok('routes' in schema.properties);
  });

  it('init writes a file that check accepts, and never over another', async (t) => {
    const cwd = folder(t);
    assert.equal((await tollgate(['init'], { cwd })).code, 0);
    const text = readFileSync(path.join(cwd, 'tollgate.yaml'), 'utf8');
    assert.match(text, /^#/m);
    const { code, stderr } = await tollgate(['check'], { cwd });
    assert.ok(code === 0 || code === 1, stderr);
    assert.notEqual((await tollgate(['init'], { cwd })).code, 0);
    assert.equal(readFileSync(path.join(cwd, 'tollgate.yaml'), 'utf8'), text);
  });
});

describe('serve', () => {
  it('refuses a broken file with exit code 2', async (t) => {
    const { code, stderr } = await tollgate(['serve', '-c', written(t, 'routes: 7\n')]);
    assert.equal(code, 2);
    assert.match(stderr, /tollgate\.yaml:1:\d+/);
  });

  it('says what is wrong with a certificate it cannot use', async (t) => {
    const cwd = folder(t);
    writeFileSync(path.join(cwd, 'server.crt'), 'no certificate');
    writeFileSync(path.join(cwd, 'server.key'), 'no key');
    const config = standard('http://127.0.0.1:9');
    config.listeners.public.tls = { certificate: 'server.crt', key: 'server.key' };
    writeConfig(path.join(cwd, 'tollgate.yaml'), config);
    const { code, stderr } = await tollgate(['serve', '-c', path.join(cwd, 'tollgate.yaml')], {
      cwd,
    });
    assert.ok(code === 2 || code === 3, stderr);
    assert.match(stderr, /server\.crt/);
  });

  it('keeps secrets out of what it prints', async (t) => {
    const cwd = folder(t);
    const config = standard('http://127.0.0.1:9');
    config.upstreams.openai.credential = '${UPSTREAM_KEY}';
    writeConfig(path.join(cwd, 'tollgate.yaml'), config);
    const program = new Program(['serve', '-c', path.join(cwd, 'tollgate.yaml')], {
      cwd,
      env: { UPSTREAM_KEY: 'sk-very-secret' },
    });
    t.after(() => program.stop());
    await program.says(/ready/);
    program.signal('SIGHUP');
    await poll(() => /in force/.test(program.stdout), 'the reload');
    assert.doesNotMatch(program.stdout + program.stderr, /sk-very-secret/);
  });
});
