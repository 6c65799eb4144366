// Real coding agents before the demo, set up by the very lines of docs/agents.md: a prompt, a call of
// the agent's own tool, which it carries out, its result, and the answer.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import {
  atEnd, folder, poll, Program, ROOT, scope, standard, startGateway, startMock, tollgate,
} from './harness.mjs';

const MODULES = path.join(ROOT, 'tests/agents/node_modules');
const DEMO = 'http://127.0.0.1:8080'; // Where docs/agents.md has it.
const CODEX = '@openai/codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/codex';
const AGENTS = {
  claude: {
    program: '@anthropic-ai/claude-code-linux-x64/claude',
    route: 'agent_messages',
    tool: 'Bash',
    userAgent: /^claude-cli\//,
  },
  codex: {
    program: CODEX,
    route: 'agent_responses',
    tool: 'exec_command',
    userAgent: /^codex_exec\//,
    removed: ['web_search'], // It offers one that the provider would run.
    within: 'spawn_agent', // A tool in a namespace.
  },
  qwen: {
    program: '.bin/qwen',
    route: 'agent_chat',
    tool: 'run_shell_command',
    userAgent: /^QwenCode\//,
  },
  opencode: {
    program: 'opencode-linux-x64/bin/opencode',
    route: 'agent_chat',
    tool: 'bash',
    userAgent: /^opencode\//,
  },
  pi: { program: '.bin/pi', route: 'agent_responses', tool: 'bash', userAgent: /OpenAI\/JS/ },
};

const skip = existsSync(path.join(MODULES, AGENTS.claude.program))
  ? false
  : 'the agents are not installed: `./dev agents` installs 1.5 GB of them and runs this';
if (skip) console.error(`coding_agents_test: skipped, as ${skip}`);

/** The block of docs/agents.md that sets an agent up and gives it its task. */
function block(name) {
  const text = readFileSync(path.join(ROOT, 'docs/agents.md'), 'utf8');
  const found = text.match(new RegExp(`<!-- agent: ${name} -->\\s*\`\`\`sh\\n([\\s\\S]*?)\`\`\``));
  return found?.[1] ?? assert.fail(`docs/agents.md has no block of ${name}`);
}

/** Hands everything on, and notes what went by. */
async function startWitness(t, target) {
  const seen = [];
  const server = http.createServer((request, response) => {
    const up = http.request(
      target + request.url,
      { method: request.method, headers: { ...request.headers, host: new URL(target).host } },
      (reply) => {
        seen.push({
          path: request.url.split('?')[0],
          userAgent: request.headers['user-agent'],
          status: reply.statusCode,
          id: reply.headers['x-request-id'],
        });
        response.writeHead(reply.statusCode, reply.headers);
        reply.pipe(response);
      },
    );
    up.on('error', () => response.destroy());
    response.on('close', () => up.destroy());
    request.pipe(up);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEnd(t, () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return { url: `http://127.0.0.1:${server.address().port}`, seen };
}

/** Runs the block of an agent in a home of its own, whose way out of this machine is shut. */
async function runAgent(t, name, url, key, change = (text) => text) {
  const home = folder(t);
  const work = path.join(home, 'work');
  const bin = path.join(home, 'bin');
  mkdirSync(work);
  mkdirSync(bin);
  symlinkSync(path.join(MODULES, AGENTS[name].program), path.join(bin, name));
  const shut = 'http://127.0.0.1:9';
  const child = spawn('bash', ['-euo', 'pipefail', '-c', change(block(name)).replaceAll(DEMO, url)], {
    cwd: work,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: `${bin}:${path.dirname(process.execPath)}:/usr/bin:/bin`,
      HOME: home,
      TERM: 'dumb',
      TOLLGATE_KEY: key,
      HTTP_PROXY: shut,
      HTTPS_PROXY: shut,
      NO_PROXY: '127.0.0.1',
    },
  });
  const result = { stdout: '', stderr: '', work };
  child.stdout.on('data', (data) => (result.stdout += data));
  child.stderr.on('data', (data) => (result.stderr += data));
  atEnd(t, () => child.kill('SIGKILL'));
  result.code = await new Promise((resolve) => child.on('close', resolve));
  return result;
}

describe('coding agents', { skip }, () => {
  const shared = scope(after);
  let config, keys;
  before(async () => {
    const state = folder(shared);
    config = path.join(state, 'tollgate.yaml');
    const demo = ['demo', '--port', '0', '--admin-port', '0', '--state', state];
    const program = new Program(demo);
    atEnd(shared, () => program.stop());
    await program.says(/^tollgate: ready/m);
    keys = JSON.parse(readFileSync(path.join(state, 'keys.json'), 'utf8'));
  });

  const run = async (...args) => {
    const { stdout, stderr, code } = await tollgate([...args, '-c', config, '--json']);
    assert.equal(code, 0, stderr);
    return stdout;
  };
  const keyOf = async (user) =>
    JSON.parse(await run('keys', 'create', '--tenant', 'coder', '--user', user)).secret;
  const recordsOf = (id) =>
    poll(async () => {
      const lines = (await run('audit', 'query', '--id', id)).trim().split('\n').filter(Boolean);
      const phases = Object.fromEntries(lines.map(JSON.parse).map((it) => [it.phase, it]));
      return phases.outcome && phases.decision && phases;
    }, `the records of ${id}`);

  for (const [name, agent] of Object.entries(AGENTS)) {
    it(`${name} does what it is asked, and all of it is on record`, async (t) => {
      const { url, seen } = await startWitness(t, keys.gateway);
      const { code, stdout, stderr, work } = await runAgent(t, name, url, await keyOf(name));
      assert.equal(code, 0, `${stdout}\n${stderr}\n${JSON.stringify(seen)}`);
      assert.match(stdout, /the model answer/);
      assert.equal(readFileSync(path.join(work, 'hello.txt'), 'utf8'), 'hello\n');
      assert.ok(seen.length >= 2, JSON.stringify(seen));

      let usd = 0;
      let called = [];
      for (const request of seen) {
        assert.equal(request.status, 200, JSON.stringify(request));
        assert.match(request.userAgent, agent.userAgent);
        const { decision, outcome } = await recordsOf(request.id);
        assert.equal(decision.actor.subject, name);
        assert.equal(decision.route, agent.route);
        assert.ok(outcome.usage.input > 0 && outcome.usage.output > 0);
        assert.ok(outcome.cost_usd > 0);
        usd += outcome.cost_usd;
        called = called.concat(outcome.tools?.called ?? []);
        const { offered = [], removed = [] } = decision.tools ?? {};
        if (offered.length === 0) continue; // As for a title.
        assert.ok(offered.includes(agent.tool), JSON.stringify(offered));
        assert.deepEqual(removed, agent.removed ?? []);
        if (agent.within) assert.ok(offered.includes(agent.within), JSON.stringify(offered));
      }
      assert.deepEqual(called, [agent.tool]);
      const books = JSON.parse(await run('spend', '--by', 'user'));
      const rows = Array.isArray(books) ? books : books.rows;
      const row = rows.find((it) => Object.values(it).some((one) => `${one}`.endsWith(name)));
      assert.ok(Math.abs(row.cost_usd - usd) < 1e-6, `${JSON.stringify(row)} ${usd}`);
      assert.equal(row.requests, seen.length);
    });
  }

  it('an agent where no shell is allowed is told so, and nothing is paid', async (t) => {
    const { url, seen } = await startWitness(t, keys.gateway);
    const small = (text) => text.replace('OPENAI_MODEL=coder', 'OPENAI_MODEL=small');
    const { code, stdout, stderr } = await runAgent(t, 'qwen', url, keys.keys.acme, small);
    assert.notEqual(code, 0);
    assert.match(stdout + stderr, /The tool `\w+` may not be offered to the model here/);
    assert.ok(seen.length > 0);
    for (const request of seen) {
      assert.equal(request.status, 403);
      const records = await run('audit', 'query', '--id', request.id);
      assert.match(records, /tool_not_allowed/);
    }
  });
});

// ---- Servers of another dialect ------------------------------------------------------------------

/** A model that Codex knows, with tools of another kind: texts of JavaScript, in a namespace. */
const CODEX_OWN = 'gpt-6.2-sol';
const asOwn = (text) =>
  text
    .replace('model = "coder"', `model = "${CODEX_OWN}"`)
    .replace(
      'exec_command with {"cmd": "echo hello > hello.txt"}',
      String.raw`exec with "text(await tools.exec_command({cmd: \"echo hello > hello.txt\"}))"`,
    );

/** The routes of docs/agents.md before servers that speak one dialect alone. */
function translated(url, surface, drop_fields) {
  const config = standard(url);
  const isMessages = surface === 'messages';
  config.upstreams.only = {
    url: isMessages ? url : `${url}/v1`,
    speaks: isMessages ? 'anthropic' : 'openai',
    surfaces: [surface],
    drop_fields,
  };
  const model = { upstream: 'only', tokenizer: 'o200k_base', price_per_million: { input: 1, output: 5 } };
  const names = ['coder', 'claude-haiku', CODEX_OWN];
  for (const name of names) config.models[name] = { ...model, context_tokens: 200000 };
  config.routes = ['/v1/chat/completions', '/v1/responses', '/v1/messages'].map((path, at) => ({
    name: `agents_${at}`,
    path,
    models: names,
    allow: [{ tenants: ['acme'] }],
    prompt: { body: '16MiB', input_tokens: 180000, output_tokens: 32000 },
    tools: {
      allow: ['*'],
      // Codex has these in a namespace, which no other dialect knows.
      deny: ['spawn_agent', 'send_input', 'resume_agent', 'wait_agent', 'close_agent'],
      unlisted: 'remove',
    },
  }));
  return config;
}

describe('coding agents before a server of one dialect', { skip }, () => {
  const cases = [
    ['codex', 'responses', ['include'], { change: asOwn, tool: 'exec' }],
    ['claude', 'chat_completions', ['thinking']],
    ['codex', 'chat_completions', ['include']],
    ['codex', 'messages', ['include']],
    ['qwen', 'messages', ['include']],
    ['pi', 'messages', ['include']],
  ];
  for (const [name, surface, drop, { change, tool = AGENTS[name].tool } = {}] of cases) {
    it(`${name} calls ${tool}, ${surface}`, async (t) => {
      const mock = await startMock(t);
      const gateway = await startGateway(t, translated(mock.url, surface, drop));
      const { url, seen } = await startWitness(t, gateway.url);
      const { secret } = await gateway.key();
      const { code, stdout, stderr, work } = await runAgent(t, name, url, secret, change);
      assert.equal(code, 0, `${stdout}\n${stderr}\n${JSON.stringify(seen)}`);
      assert.match(stdout, /the model answer/);
      assert.equal(readFileSync(path.join(work, 'hello.txt'), 'utf8'), 'hello\n');
      const called = [];
      for (const { id, status } of seen) {
        // Claude Code tries to have tools loaded later, is told that they cannot be, and offers them.
        if (name === 'claude' && status === 400) continue;
        assert.equal(status, 200);
        const { outcome } = await gateway.records(id);
        assert.ok(outcome.cost_usd > 0);
        called.push(...(outcome.tools?.called ?? []));
      }
      assert.deepEqual(called, [tool]);
    });
  }
});
