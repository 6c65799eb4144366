// Every surface that is served, driven by a real SDK, whole and streamed, directly and translated:
// answer, usage, record and books. The rows are those that the program and docs/surfaces.md name;
// one without a driver, and a driver without a row, fails.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { poll, ROOT, scope, standard, startGateway, startMock, tollgate } from './harness.mjs';
import { fakeUpstream, sendJson } from './fake_upstream.mjs';
import { everything, ModernServer, modernServer, z } from './mcp_servers.mjs';
import { DRIVERS } from './surface_drivers.mjs';

const page = readFileSync(path.join(ROOT, 'docs/surfaces.md'), 'utf8');
/** The table of the page: {name, streamed} of each surface. */
const table = [...page.matchAll(/^\| `(\w+)` \|(.*)\|$/gm)].map(([, name, rest]) => ({
  name,
  streamed: rest.split('|')[2].trim(),
}));
/** What is asked later of what a provider keeps: "on record as `a.b`, `.c` or `.d`". */
const later = page
  .split('\n')
  .filter((line) => /on record\W* as/i.test(line))
  .flatMap((line) => {
    let of;
    const names = line.matchAll(/`(responses|conversations(?:\.items)?)?\.(\w+)`/g);
    return [...names].map(([, prefix, name]) => `${(of = prefix ?? of)}.${name}`);
  });
const isTalk = (surface) => surface.startsWith('conversations.');

/** The surfaces and the translated doors that the program itself knows. */
async function known() {
  const { stdout, code } = await tollgate(['schema']);
  assert.equal(code, 0);
  const { route, upstream } = JSON.parse(stdout).$defs;
  const choices = (schema) => schema.anyOf.find((it) => it.enum).enum;
  assert.ok(route.properties.mcp);
  return {
    surfaces: [...choices(route.properties.surface), 'mcp'],
    conversations: choices(upstream.properties.surfaces.items),
  };
}
const { surfaces, conversations } = await known();

// ---- The gateway ---------------------------------------------------------------------------------

const ASKED_WITH = {
  completions: ['small'],
  embeddings: ['embed'],
  moderations: ['embed'],
  rerank: ['embed'],
  image_generations: ['dall-e-3'],
  image_edits: ['gpt-image-1'],
  speech: ['tts-1'],
  transcriptions: ['whisper-1'],
  translations: ['whisper-1'],
  count_tokens: ['claude'],
  models: [undefined],
  mcp: [undefined],
};
const modelsOf = (surface) => {
  if (isTalk(surface)) return [undefined]; // The route's says where it is kept.
  if (later.includes(surface)) return ['kept'];
  if (conversations.includes(surface)) return conversations.map((each) => `by_${each}`);
  return ASKED_WITH[surface] ?? assert.fail(`with which model is ${surface} asked?`);
};

/** Every surface has a door, and each conversation is also served by the other two. */
function config(urls) {
  const made = standard(urls.mock);
  const { allow } = made.routes[0];
  const prompt = { body: '1MiB', input_tokens: 4000, output_tokens: 1000, choices: 2 };
  const { small } = made.models;
  const media = { upstream: 'openai', tokenizer: 'o200k_base' };
  Object.assign(made.models, {
    'dall-e-3': { ...media, price_per_image: { '1024x1024': 0.04 } },
    'gpt-image-1': {
      ...media,
      images: 'gpt-4o',
      price_per_million: { input: 5, output: 40 },
      tokens_per_image: { 'low/1024x1024': 272, 'high/1024x1024': 4160 },
    },
    'tts-1': { ...media, price_per_million_characters: 15 },
    'whisper-1': { ...media, price_per_minute: 0.006 },
    kept: { ...small, upstream: 'keeping' },
    talker: { ...small },
  });
  made.upstreams.keeping = { url: `${urls.keeping}/v1`, speaks: 'openai', credential: 'secret' };
  for (const surface of conversations) {
    made.upstreams[`only_${surface}`] = {
      ...made.upstreams[surface === 'messages' ? 'anthropic' : 'openai'],
      surfaces: [surface],
    };
    made.models[`by_${surface}`] = { ...small, upstream: `only_${surface}` };
  }
  made.routes = surfaces
    .filter((surface) => surface !== 'mcp')
    .map((surface) => ({
      name: surface,
      path: page.match(new RegExp(`^\\| \`${surface}\` \\| \`([^\`]+)\``, 'm'))[1],
      allow,
      ...(surface !== 'models' && { models: modelsOf(surface), prompt }),
    }));
  const images = made.routes.find(({ name }) => name === 'image_generations');
  images.models = [...images.models, 'gpt-image-1'];
  made.routes.push(
    {
      name: 'kept',
      path: '/v1/responses',
      models: ['kept'],
      allow: [{ tenants: ['acme'] }],
      prompt,
      stored_responses: true,
    },
    {
      name: 'talks',
      path: '/v1/responses',
      models: ['talker'],
      allow: [{ tenants: ['globex'] }],
      prompt: { ...prompt, input_tokens: small.context_tokens },
      stored_responses: true,
    },
    {
      name: 'mcp',
      path: '/mcp/docs',
      allow,
      mcp: { url: `${urls.mock}/mcp`, tools: { allow: ['search_docs'] }, price_per_call: 0.25 },
    },
    {
      name: 'mcp_everything',
      path: '/mcp/everything',
      allow,
      mcp: { url: urls.everything, tools: { allow: ['echo'] }, price_per_call: 0.25 },
    },
    {
      name: 'mcp_modern',
      path: '/mcp/modern',
      allow,
      mcp: { url: urls.modern, tools: { allow: ['tick'] }, price_per_call: 0.25 },
    },
  );
  return made;
}

/** A provider that keeps responses. */
function keeping() {
  const kept = new Map();
  return ({ request, response, body }) => {
    const [, id, what] = request.url.match(/^\/v1\/responses\/(\w+)(?:\/(\w+))?$/) ?? [];
    if (id) {
      const { answer, input } = kept.get(id);
      if (what === 'cancel') return sendJson(response, { error: { message: 'It is synchronous.' } }, 400);
      if (request.method === 'DELETE') return sendJson(response, { id, object: 'response', deleted: true });
      if (what !== 'input_items') return sendJson(response, answer);
      const content = [{ type: 'input_text', text: input }];
      const data = [{ id: 'msg_0', type: 'message', role: 'user', content }];
      return sendJson(response, { object: 'list', data, has_more: false });
    }
    const answer = {
      id: `resp_upstream_${kept.size + 1}`,
      object: 'response',
      created_at: 1750000000,
      status: 'completed',
      error: null,
      incomplete_details: null,
      model: body.model,
      output: [
        {
          id: 'msg_1',
          type: 'message',
          role: 'assistant',
          status: 'completed',
          content: [{ type: 'output_text', text: 'Kept.', annotations: [] }],
        },
      ],
      store: body.store,
      tools: [],
      usage: {
        input_tokens: 20,
        input_tokens_details: { cached_tokens: 0 },
        output_tokens: 5,
        output_tokens_details: { reasoning_tokens: 0 },
        total_tokens: 25,
      },
    };
    kept.set(answer.id, { answer, input: body.input });
    return sendJson(response, answer);
  };
}

function ticking() {
  const server = new ModernServer.McpServer({ name: 'ticking', version: '1' });
  const inputSchema = z.object({ message: z.string(), query: z.string() });
  server.registerTool('tick', { description: 'Ticks.', inputSchema }, () => ({
    content: [{ type: 'text', text: 'tock' }],
  }));
  return server;
}

// ---- The rows ------------------------------------------------------------------------------------

describe('every surface', () => {
  it('that the program knows is in the table, and the other way round', () => {
    assert.deepEqual(table.map(({ name }) => name).sort(), [...surfaces].sort());
    assert.ok(later.length >= 4, `kept responses are asked by ${later}`);
  });

  it('has a driver, and no driver is without its surface', () => {
    const driven = Object.keys(DRIVERS);
    assert.deepEqual([...surfaces, ...later].filter((name) => !driven.includes(name)), []);
    assert.deepEqual(driven.filter((name) => !name.includes('.')).sort(), [...surfaces].sort());
  });

  for (const { name, streamed } of table) {
    it(`${name} is streamed, or not, as the table says`, () => {
      for (const driver of DRIVERS[name] ?? []) {
        if (streamed === 'no') assert.match(driver.stream, /\w+ \w+/);
        else assert.equal(typeof driver.stream, 'function', driver.sdk);
      }
    });
  }

  const shared = scope(after);
  let gateway;
  before(async () => {
    const mock = await startMock(shared);
    const keeper = await fakeUpstream(shared, keeping());
    const server = await everything(shared);
    const modern = await modernServer(shared, ticking, { responseMode: 'sse' });
    const urls = { mock: mock.url, keeping: keeper.url, everything: server.url, modern: modern.url };
    gateway = await startGateway(shared, config(urls));
  });

  for (const surface of [...surfaces, ...later]) {
    for (const driver of DRIVERS[surface] ?? []) {
      const forms = ['whole', 'stream'].filter((form) => typeof driver[form] === 'function');
      for (const model of modelsOf(surface)) {
        for (const form of forms) {
          const by = model === undefined ? '' : `, ${model}`;
          it(`${surface} by ${driver.sdk}, ${form}${by}`, async (t) => {
            const user = `${surface}-${driver.sdk}-${form}-${model}`.replace(/[^\w-]+/g, '-');
            const key = await gateway.key(isTalk(surface) ? 'globex' : 'acme', '--user', user);
            const told = await driver[form]({ gateway, key, test: t }, model);
            await assertBooks({ surface, model, user, told });
          });
        }
      }
    }
  }

  /** The record of the request, what it cost, and what its caller has spent with it. */
  async function assertBooks({ surface, model, user, told }) {
    const { decision, outcome } = await gateway.records(told.id);
    assert.equal(decision.surface, surface);
    assert.equal(decision.actor.subject, user);
    assert.equal(decision.decision.outcome, 'allowed');
    if (model !== undefined) {
      assert.deepEqual([decision.model.asked, decision.model.served], [model, model]);
    }
    const usage = outcome.usage ?? {};
    // A provider's figure above what was held is charged as that, and on record as reported.
    const reported = { ...usage, input: usage.input_reported ?? usage.input };
    for (const figure of ['input', 'output', 'characters', 'audio_seconds']) {
      if (told[figure] !== undefined) assert.equal(reported[figure], told[figure], figure);
    }
    const usd = Number(outcome.cost_usd ?? 0);
    const price = told.usd(usage);
    assert.ok(Math.abs(usd - price) <= 1e-6, `${usd} paid of ${price}: ${JSON.stringify(usage)}`);
    if (usd === 0) return assert.equal(price, 0);
    const row = await poll(async () => {
      const rows = await gateway.json('spend', '--by', 'user');
      return rows.find((it) => it.user === user);
    }, `the spend of ${user}`);
    assert.equal(row.cost_usd, usd);
    if (surface !== 'mcp') assert.equal(row.requests, 1);
  }
});
