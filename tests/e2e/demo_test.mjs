// The first minute: the demo answers, its attacks are stopped, and what README shows runs.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { atEnd, BIN, folder, poll, Program, ROOT, scope, tollgate } from './harness.mjs';

describe('demo', () => {
  const shared = scope(after);
  let keys, began;
  before(async () => {
    const state = folder(shared);
    began = Date.now();
    const program = new Program(['demo', '--port', '0', '--admin-port', '0', '--state', state]);
    atEnd(shared, () => program.stop());
    keys = await poll(() => {
      assert.ok(!program.ended, program.stderr);
      try {
        return JSON.parse(readFileSync(path.join(state, 'keys.json'), 'utf8'));
      } catch {
        return null;
      }
    }, 'keys.json');
    await poll(
      () =>
        fetch(`${keys.admin}/readyz`).then(
          (it) => it.ok,
          () => false,
        ),
      'readiness',
    );
  });

  const ask = (key) =>
    fetch(`${keys.gateway}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'small', messages: [{ role: 'user', content: 'Hi' }] }),
    });
  it('answers its first request with a key that it tells', async () => {
    const response = await ask(keys.keys.acme ?? Object.values(keys.keys)[0]);
    assert.equal(response.status, 200, await response.text());
  });

  it('what README shows runs, and prints what it promises', async (t) => {
    const blocks = runnable(readFileSync(path.join(ROOT, 'README.md'), 'utf8'));
    assert.ok(blocks.some((block) => block.language === 'js' && block.code.includes('openai')));
    assert.ok(blocks.some((block) => block.language === 'js' && block.code.includes('anthropic')));
    for (const block of blocks) {
      await t.test(block.code.split('\n')[0], async () => {
        const { code, output } = await runBlock(block, keys);
        assert.equal(code, 0, `${block.code}\n${output}`);
        assert.match(output, /\S/);
        if (block.prints) assert.ok(output.includes(block.prints), output);
      });
    }
  });
});

describe('demo --attack', () => {
  it('plays the abuses against itself and ends with what was stopped', async (t) => {
    const { stdout, stderr, code } = await tollgate([
      'demo',
      '--attack',
      '--port',
      '0',
      '--admin-port',
      '0',
      '--state',
      folder(t),
    ]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /budget_exhausted|budget/);
    assert.match(stdout, /rate_limited|limits\./);
    assert.match(stdout, /ok +tools that nobody allowed +3 of 3 stopped/);
    assert.match(stdout, /ok +an agent that goes round in a loop +1 of 1 stopped/);
    assert.match(stdout, /in a loop.* routes\.chat\.tools\.repeats/);
    assert.match(stdout, /ok +a poisoned tool description +1 of 1 stopped/);
    assert.match(stdout, /a poisoned tool.* routes\.plugins\.content/);
    assert.match(stdout, /ok +headers that name another tool than the body +3 of 3 stopped/);
    assert.match(stdout, /another tool than the body.* routes\.docs\.mcp/);
    assert.match(stdout, /ok +a secret goes out, in seven disguises +7 of 7 stopped/);
    assert.match(stdout, /ok +an injection, in seven disguises +7 of 7 stopped/);
    assert.match(stdout, /ok +a model leaks a key, cut over stream chunks +2 of 2 stopped/);
    const campaign =
      /ok +variants of one prompt, over 10 keys +(\d+) of 25 stopped: seen at the (\d+)th, among 50 ordinary ones of which 0 were stopped/;
    const [, stopped, first] = stdout.match(campaign) ?? assert.fail(stdout);
    assert.ok(Number(first) <= 25 && Number(stopped) > 0, stdout);
    assert.match(stdout, /variants of one prompt.* routes\.fleet\.anomalies/);
    assert.match(
      stdout,
      /ok +a runaway agent within its budget +\d+ of 100 stopped: frozen, 1 alert at the webhook/,
    );
    for (const said of [
      /ok +a storm of retries: 500 to a dead provider +500 of 500 stopped: \d+ reached for it/,
      /ok +a provider that fails: 50 for its model +50 of 50 stopped: all answered by `small`/,
      /ok +a dear model for everything: 40 requests +\d+ of 40 stopped: \d+ by gpt-4o, \d+ by `small`/,
    ]) {
      assert.match(stdout, said);
    }
    assert.match(stdout, /within its budget.* alerts\[0\]/);
  });
});

/**
 * Blocks of `sh` and `js` behind a line `<!-- run -->` or `<!-- run: prints TEXT -->`. They speak
 * to http://127.0.0.1:8080 with $TOLLGATE_KEY, as after `./dev run`.
 */
function runnable(markdown) {
  const pattern = /<!-- run(?:: prints (.*?))? -->\s*```(sh|js)\n([\s\S]*?)```/g;
  return [...markdown.matchAll(pattern)].map(([, prints, language, code]) => ({
    prints,
    language,
    code,
  }));
}

function runBlock({ language, code }, keys) {
  const text = code
    .replaceAll('http://127.0.0.1:8080', keys.gateway)
    .replaceAll('http://localhost:8080', keys.gateway)
    .replaceAll('http://127.0.0.1:9900', keys.admin);
  const env = {
    ...process.env,
    PATH: `${path.dirname(BIN)}:${process.env.PATH}`,
    TOLLGATE_KEY: keys.keys.acme ?? Object.values(keys.keys)[0],
    TOLLGATE_ADMIN_TOKEN: keys.admin_token,
  };
  const [command, ...args] =
    language === 'js'
      ? [process.execPath, '--input-type=module', '-e', text]
      : ['bash', '-euo', 'pipefail', '-c', text];
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: path.join(ROOT, 'tests/sdk'), env });
    let output = '';
    child.stdout.on('data', (data) => (output += data));
    child.stderr.on('data', (data) => (output += data));
    child.on('close', (status) => resolve({ code: status, output }));
  });
}
