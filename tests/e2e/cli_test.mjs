// The command line as a person meets it: what it survives, what it shows, how it is told.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import {
  ADMIN_TOKEN,
  assertRefused,
  BIN,
  folder,
  poll,
  Program,
  standard,
  startGateway,
  startMock,
  tollgate,
  writeConfig,
} from './harness.mjs';
import { beginStream, fakeUpstream } from './fake_upstream.mjs';

const nowhere = () => standard('http://127.0.0.1:9');
const says = (gateway, pattern) => poll(() => pattern.test(gateway.program.stderr), `${pattern}`);

describe('a reload', () => {
  it('takes a new admin token over', async (t) => {
    const config = nowhere();
    const gateway = await startGateway(t, config);
    const status = (token) =>
      fetch(`${gateway.admin}/admin/v1/keys`, { headers: { authorization: `Bearer ${token}` } })
        .then((response) => response.status);
    assert.equal(await status(ADMIN_TOKEN), 200);
    const next = 'another-token-of-the-tests-0123456789abcdef';
    config.admin.token = next;
    writeConfig(gateway.file, config);
    gateway.program.signal('SIGHUP');
    await poll(async () => (await status(next)) === 200, 'the new token');
    assert.equal(await status(ADMIN_TOKEN), 401);
  });

  it('tells all that needs a restart at once, and stays as it was', async (t) => {
    const config = nowhere();
    const gateway = await startGateway(t, config);
    config.edge = { ...config.edge, workers: 7 };
    config.audit = { ...config.audit, keep: '2d', queue: '1MiB' };
    config.store = { ledger: 'sqlite://other.db' };
    writeConfig(gateway.file, config);
    gateway.program.signal('SIGHUP');
    await says(gateway, /store\.ledger, audit\.keep, audit\.queue, edge\.workers changed.*restart/);
    assert.equal(await gateway.metric('tollgate_config_last_reload_successful'), 0);
  });

  it('by the file alone takes no limit and no route away; SIGHUP does', async (t) => {
    const config = nowhere();
    const gateway = await startGateway(t, config);
    const key = await gateway.key();
    config.routes = config.routes.filter((route) => route.path !== '/v1/chat/completions');
    writeConfig(gateway.file, config);
    await says(gateway, /routes\.\S+ would be gone or do less; send SIGHUP/);
    assert.notEqual((await gateway.chat(key)).status, 404);
    gateway.program.signal('SIGHUP');
    await poll(() => /in force/.test(gateway.program.stdout), 'the reload');
    assert.equal((await gateway.chat(key)).status, 404);
  });

  it('by the file alone takes no rule of a content policy away either', async (t) => {
    const config = nowhere();
    const chat = config.routes.find((route) => route.path === '/v1/chat/completions');
    chat.content = { request: ['pii', 'secrets'] };
    const gateway = await startGateway(t, config);
    chat.content.except = ['pii.email'];
    chat.content.overrides = { secrets: { mode: 'observe' } };
    writeConfig(gateway.file, config);
    await says(
      gateway,
      /request\.pii\.email \(left out\), .*request\.secrets \(observe instead of refuse\) would be gone or do less; send SIGHUP/,
    );
    gateway.program.signal('SIGHUP');
    await poll(() => /in force/.test(gateway.program.stdout), 'the reload');
  });
});

describe('draining', () => {
  it('is told by /readyz, and a second signal ends it at once', async (t) => {
    const open = [];
    const upstream = await fakeUpstream(t, ({ response }) => {
      beginStream(response);
      open.push(response);
    });
    const gateway = await startGateway(t, standard(upstream.url));
    const key = await gateway.key();
    const response = await gateway.chat(key, { stream: true });
    gateway.program.signal('SIGTERM');
    await gateway.program.says(/draining/);
    const ready = await fetch(`${gateway.admin}/readyz`);
    assert.equal(ready.status, 503);
    assert.equal(await ready.text(), 'draining\n');
    const before = Date.now();
    gateway.program.signal('SIGTERM');
    await response.text().catch(() => {});
    assert.equal(await gateway.program.exit, 0);
    assert.ok(Date.now() - before < 20_000, 'it waited for the stream');
  });
});

describe('commands on the store', () => {
  it('revoke a key whatever is wrong elsewhere in the file', async (t) => {
    const cwd = folder(t);
    const file = path.join(cwd, 'tollgate.yaml');
    const config = nowhere();
    writeConfig(file, config);
    const run = (...args) => tollgate([...args, '-c', file], { cwd });
    const made = await run('keys', 'create', '--tenant', 'acme', '--json');
    assert.equal(made.code, 0, made.stderr);
    const { id } = JSON.parse(made.stdout);

    Object.values(config.upstreams)[0].credential = '${NO_SUCH_VARIABLE_OF_OURS}';
    config.routes[0].nonsense = 1;
    writeConfig(file, config);
    assert.equal((await run('check')).code, 2);
    const revoked = await run('keys', 'revoke', id);
    assert.equal(revoked.code, 0, revoked.stderr);
    assert.match(revoked.stdout, /state {4}revoked/);
    for (const args of [['spend'], ['audit', 'query'], ['audit', 'verify']])
      assert.equal((await run(...args)).code, 0, args.join(' '));

    config.store = { ledgre: 'sqlite://other.db' };
    writeConfig(file, config);
    const wrong = await run('keys', 'list');
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /^tollgate: .*did you mean `ledger`/m);
  });

  it('show users of a tenant, costs in line, and the usage of an outcome', async (t) => {
    const mock = await startMock(t);
    const gateway = await startGateway(t, standard(mock.url));
    const key = await gateway.key('acme', '--user', 'alice');
    assert.equal((await gateway.chat(key)).status, 200);
    await gateway.spendOf(1);
    const table = (await gateway.run('spend', '--by', 'user')).stdout.split('\n');
    assert.match(table[0], /^user +tenant +requests .*cost USD$/);
    assert.match(table[1], /^alice +acme +1 .* \d+\.\d{6}$/);
    assert.equal(table[0].length, table[1].length);
    const csv = async (by) =>
      (await gateway.run('spend', '--by', by, '--format', 'csv')).stdout.split('\n')[0];
    assert.match(await csv('key'), /^key,tenant,requests/);
    assert.match(await csv('model'), /^model,requests/);
    const trail = await poll(async () => {
      const { stdout } = await gateway.run('audit', 'query');
      return / outcome /.test(stdout) && stdout.split('\n');
    }, 'the outcome');
    assert.match(trail[0], /^TIME +PHASE +ID .*INPUT +OUTPUT +COST USD +CODE$/);
    assert.match(
      trail.find((line) => / outcome /.test(line)),
      / allowed +\d+ +\d+ +\d+\.\d{6} /,
    );
  });
});

describe('run and demo', () => {
  it('run uses the file that is there, and never writes over it', async (t) => {
    const state = folder(t);
    const file = path.join(state, 'tollgate.yaml');
    const env = { OPENAI_API_KEY: '', ANTHROPIC_API_KEY: '', OLLAMA_HOST: '', VLLM_BASE_URL: '' };
    const args = ['run', '--state', state, '--port', '0', '--admin-port', '0'];
    const first = new Program(args, { env });
    t.after(() => first.stop());
    await first.says(/ready/);
    const second = await tollgate(args, { env });
    assert.equal(second.code, 3);
    assert.match(second.stderr, /another gateway serves/);
    await first.stop();
    const mine = `${readFileSync(file, 'utf8')}# mine\n`;
    writeFileSync(file, mine);
    const third = new Program(args, { env });
    t.after(() => third.stop());
    await third.says(/ready/);
    assert.match(third.stdout, /is there already and is used as it is/);
    assert.doesNotMatch(third.stdout, /shown once/);
    assert.equal(readFileSync(file, 'utf8'), mine);
  });

  it('the demo keeps its keys, and refuses a directory that is not its own', async (t) => {
    const state = folder(t);
    const args = ['demo', '--state', state, '--port', '0', '--admin-port', '0'];
    const keys = () => JSON.parse(readFileSync(path.join(state, 'keys.json'), 'utf8')).keys;
    const first = new Program(args);
    t.after(() => first.stop());
    await first.says(/ready/);
    assert.ok(first.stdout.includes(`${BIN} audit query`), first.stdout);
    const made = keys();
    const yaml = readFileSync(path.join(state, 'tollgate.yaml'), 'utf8');
    assert.equal((await tollgate(args)).code, 3);
    assert.equal(readFileSync(path.join(state, 'tollgate.yaml'), 'utf8'), yaml);
    await first.stop();
    const second = new Program(args);
    t.after(() => second.stop());
    await second.says(/ready/);
    assert.deepEqual(keys(), made);
    await second.stop();

    writeFileSync(path.join(state, 'tollgate.yaml'), 'mine: true\n');
    assert.equal((await tollgate(args)).code, 3);
    assert.equal(readFileSync(path.join(state, 'tollgate.yaml'), 'utf8'), 'mine: true\n');
  });

  it('the demo leaves no directory of its own behind', async (t) => {
    const program = new Program(['demo', '--port', '0', '--admin-port', '0'], {
      env: { TMPDIR: folder(t) },
    });
    t.after(() => program.stop());
    const [, state] = await program.says(/books are in\n {2}(\S+)/);
    await program.says(/ready/);
    assert.ok(existsSync(state));
    await program.stop();
    assert.ok(!existsSync(state));
  });
});

describe('the words', () => {
  it('names an unknown command and the nearest, and every error is tollgate:', async () => {
    for (const [args, pattern] of [
      [['sevre'], /^tollgate: there is no command `sevre`; did you mean `serve`\?/],
      [['keys', 'creat'], /^tollgate: there is no command `creat`; did you mean `create`\?/],
      [['serve', '--nonsense'], /^tollgate: .*--nonsense/],
      [['check', '--format', 'xml'], /^tollgate: .*xml/],
      [[], /^tollgate: /],
    ]) {
      const { code, stderr } = await tollgate(args);
      assert.equal(code, 2, args.join(' '));
      assert.match(stderr, pattern);
    }
    const { code, stdout } = await tollgate(['--version']);
    assert.equal(code, 0);
    assert.match(stdout, /^tollgate \d+\.\d+\.\d+\n$/);
  });

  it('fails where its output cannot be written', () => {
    const { status, stderr } = spawnSync('bash', ['-c', `'${BIN}' schema > /dev/full`], {
      encoding: 'utf8',
    });
    assert.equal(status, 3);
    assert.match(stderr, /^tollgate: cannot write/);
  });

  it('count --ids --json is JSON', async () => {
    const { stdout } = await tollgate(['count', '--ids', '--json'], { input: 'hello world' });
    const { tokens, ids } = JSON.parse(stdout);
    assert.equal(ids.length, tokens);
  });

  it('check fails at notes with --strict alone, and its SARIF names the rules', async (t) => {
    const config = nowhere();
    config.models.idle = { ...config.models.small };
    const file = path.join(folder(t), 'tollgate.yaml');
    writeConfig(file, config);
    const { stdout } = await tollgate(['check', '-c', file, '--format', 'sarif']);
    const [run] = JSON.parse(stdout).runs;
    const rules = run.tool.driver.rules.map((rule) => rule.id);
    for (const result of run.results) assert.ok(rules.includes(result.ruleId));
    const idle = run.results.find((result) => result.ruleId === 'model-without-route');
    assert.equal(idle.level, 'note');
    assert.equal((await tollgate(['check', '-c', file, '--strict'])).code, 1);
  });
});

describe('completion in bash', () => {
  it('offers what may follow, and files where a file is wanted', async (t) => {
    const { stdout } = await tollgate(['completion', 'bash']);
    const cwd = folder(t);
    writeFileSync(path.join(cwd, 'a file.yaml'), '');
    const offers = (...words) => {
      const line = ['tollgate', ...words].map((word) => `'${word}'`).join(' ');
      const script = `${stdout}
COMP_WORDS=(${line}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _tollgate
printf '%s\\n' "\${COMPREPLY[@]}"`;
      const ran = spawnSync('bash', ['-c', script], { encoding: 'utf8', cwd });
      assert.equal(ran.stderr, '');
      return ran.stdout.split('\n').filter(Boolean);
    };
    assert.deepEqual(offers('mo'), ['mock-model']);
    assert.deepEqual(offers('keys', 'r'), ['revoke', 'rotate']);
    assert.deepEqual(offers('keys', 'create', '--te'), ['--tenant']);
    assert.deepEqual(offers('keys', 'create', '-c', 'a file.yaml', '--te'), ['--tenant']);
    assert.deepEqual(offers('keys', 'create', '--tenant', ''), []);
    assert.deepEqual(offers('check', '--format', ''), ['text', 'json', 'sarif']);
    assert.deepEqual(offers('mock-model', '--usage', 'of'), ['off']);
    assert.deepEqual(offers('completion', 'z'), ['zsh']);
    assert.deepEqual(offers('spend', '--json', '--un'), ['--until']);
    assert.deepEqual(offers('serve', '--config', ''), ['a file.yaml']);
    assert.deepEqual(offers('count', 'a'), ['a file.yaml']);
  });
});
