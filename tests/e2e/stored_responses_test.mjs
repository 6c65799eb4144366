// Responses that the provider keeps, by the real SDK: whole and streamed, gone on from by whoever
// they were made for and by nobody else.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { OpenAI, scope, standard, startGateway, thrown } from './harness.mjs';
import { fakeUpstream, sendJson } from './fake_upstream.mjs';

function responses(url, more = {}) {
  const config = standard(url);
  const chat = config.routes.find((route) => route.path === '/v1/chat/completions');
  config.routes.push({ ...chat, name: 'responses', path: '/v1/responses', ...more });
  return config;
}

// Keeps what it is told to, by ids of its own, and knows no others.
function keeping() {
  const kept = new Map();
  let next = 0;
  const answers = (kept.answers = new Map());
  return ({ request, response, body }) => {
    const [, named, what] = request.url.match(/^\/v1\/responses\/(\w+)(\/\w+)?/) ?? [];
    if (named) return tell(kept, { request, response, id: named, what });
    const before = body.previous_response_id ?? null;
    if (before !== null && !kept.has(before)) {
      const message = `Previous response with id '${before}' not found.`;
      const error = { message, type: 'invalid_request_error', param: 'previous_response_id' };
      return sendJson(response, { error }, 400);
    }
    const said = [...(kept.get(before) ?? []), body.input];
    const id = `resp_upstream_${(next += 1)}`;
    const answer = whole(id, before, body, said.join('|'));
    if (body.store) kept.set(id, said), answers.set(id, answer);
    if (!body.stream) return sendJson(response, answer);
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.end(
      events(answer)
        .map((event, sequence_number) => {
          const data = JSON.stringify({ ...event, sequence_number });
          return `event: ${event.type}\ndata: ${data}\n\n`;
        })
        .join(''),
    );
  };
}

function tell(kept, { request, response, id, what }) {
  if (!kept.has(id)) return sendJson(response, { error: { message: 'none' } }, 404);
  if (what === '/cancel') return sendJson(response, { error: { message: 'is synchronous' } }, 400);
  if (what === '/input_items') {
    const data = kept.get(id).map((text) => ({
      id: 'msg_0',
      type: 'message',
      role: 'user',
      content: [{ type: 'input_text', text }],
    }));
    return sendJson(response, { object: 'list', data, has_more: false });
  }
  if (request.method === 'DELETE') {
    kept.delete(id);
    return sendJson(response, { id, object: 'response', deleted: true });
  }
  return sendJson(response, kept.answers.get(id));
}

function whole(id, before, body, text) {
  return {
    id,
    object: 'response',
    created_at: 1750000000,
    status: 'completed',
    error: null,
    incomplete_details: null,
    instructions: null,
    model: body.model,
    output: [
      {
        id: 'msg_1',
        type: 'message',
        role: 'assistant',
        status: 'completed',
        content: [{ type: 'output_text', text, annotations: [] }],
      },
    ],
    previous_response_id: before,
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
}

function events(answer) {
  const [item] = answer.output;
  const [part] = item.content;
  const place = { item_id: item.id, output_index: 0, content_index: 0 };
  const begun = { ...answer, status: 'in_progress', output: [], usage: null };
  return [
    { type: 'response.created', response: begun },
    { type: 'response.in_progress', response: begun },
    {
      type: 'response.output_item.added',
      output_index: 0,
      item: { ...item, status: 'in_progress', content: [] },
    },
    { type: 'response.content_part.added', ...place, part: { ...part, text: '' } },
    { type: 'response.output_text.delta', ...place, delta: part.text, logprobs: [] },
    { type: 'response.output_text.done', ...place, text: part.text, logprobs: [] },
    { type: 'response.content_part.done', ...place, part },
    { type: 'response.output_item.done', output_index: 0, item },
    { type: 'response.completed', response: answer },
  ];
}

describe('Responses that the provider keeps', () => {
  const shared = scope(after);
  let upstream, gateway, ada;
  before(async () => {
    upstream = await fakeUpstream(shared, keeping());
    gateway = await startGateway(shared, responses(upstream.url, { stored_responses: true }));
    ada = gateway.openai(await gateway.key('acme', '--user', 'ada'));
  });
  const ask = (input, more = {}) => ({ model: 'small', input, store: true, ...more });
  const told = () => upstream.requests.at(-1).body;

  it('are gone on from, whole and streamed', async () => {
    const first = await ada.responses.create(ask('one'));
    assert.match(first.id, /^resp_[\w-]{40,}$/);
    assert.equal(told().store, true);
    const ids = new Set();
    const stream = ada.responses.stream(ask('two', { previous_response_id: first.id }));
    for await (const event of stream) {
      if (event.response) ids.add(event.response.id);
    }
    const second = await stream.finalResponse();
    assert.equal(told().previous_response_id, 'resp_upstream_1');
    assert.deepEqual([...ids], [second.id]);
    assert.equal(second.previous_response_id, first.id);
    assert.equal(second.output_text, 'one|two');
    const third = await ada.responses.create(ask('three', { previous_response_id: second.id }));
    assert.equal(third.output_text, 'one|two|three');
    assert.equal(third.previous_response_id, second.id);
  });

  it('are held with all that they may hold, and paid by what the provider says', async () => {
    const first = await ada.responses.create(ask('one')).withResponse();
    const before = await gateway.records(first.response.headers.get('x-request-id'));
    const next = await ada.responses
      .create(ask('one', { previous_response_id: first.data.id, store: false }))
      .withResponse();
    const { decision, outcome } = await gateway.records(next.response.headers.get('x-request-id'));
    const counted = before.decision.prompt.input_tokens_counted;
    const margin = before.decision.prompt.input_tokens_margin ?? 0;
    assert.equal(
      decision.prompt.input_tokens_counted,
      counted + counted + margin + before.decision.prompt.output_tokens_cap,
    );
    assert.equal(outcome.usage.input, 20);
    assert.equal(outcome.usage.source, 'provider');
  });

  it('are nothing to anybody else, nor is what was made up', async () => {
    const { id } = await ada.responses.create(ask('one'));
    const asked = upstream.requests.length;
    const eve = gateway.openai(await gateway.key('acme', '--user', 'eve'));
    const other = gateway.openai(await gateway.key('globex', '--user', 'ada'));
    const said = new Set();
    for (const [client, previous_response_id] of [
      [eve, id],
      [other, id],
      [ada, 'resp_upstream_1'],
      [ada, `${id.slice(0, -1)}${id.endsWith('A') ? 'B' : 'A'}`],
    ]) {
      const error = await thrown(() =>
        client.responses.create(ask('two', { previous_response_id })),
      );
      assert.ok(error instanceof OpenAI.NotFoundError, error.message);
      assert.equal(error.param, 'previous_response_id');
      said.add(error.message);
    }
    assert.equal(said.size, 1);
    assert.equal(upstream.requests.length, asked);
    // Another key of the same person is the same actor.
    const again = gateway.openai(await gateway.key('acme', '--user', 'ada'));
    const next = await again.responses.create(ask('two', { previous_response_id: id }));
    assert.equal(next.output_text, 'one|two');
  });

  it('are kept only where they are asked for', async () => {
    const answer = await ada.responses.create({ model: 'small', input: 'one' });
    assert.equal(told().store, false);
    const error = await thrown(() =>
      ada.responses.create(ask('two', { previous_response_id: answer.id })),
    );
    assert.ok(error instanceof OpenAI.NotFoundError, error.message);
  });

  it('are told, listed and forgotten for whoever they were made for', async () => {
    const first = await ada.responses.create(ask('one'));
    const kept = await ada.responses.create(ask('two', { previous_response_id: first.id }));
    const { data, response } = await ada.responses.retrieve(kept.id).withResponse();
    assert.equal(data.id, kept.id);
    assert.equal(data.output_text, 'one|two');
    assert.equal(data.previous_response_id, null);
    const { decision, outcome } = await gateway.records(response.headers.get('x-request-id'));
    assert.equal(decision.surface, 'responses.retrieve');
    assert.equal(decision.route, 'responses');
    assert.equal(Number(outcome.cost_usd ?? 0), 0);
    const items = await ada.responses.inputItems.list(kept.id);
    assert.deepEqual(
      items.data.map((item) => item.content[0].text),
      ['one', 'two'],
    );
    const cancelled = await thrown(() => ada.responses.cancel(kept.id));
    assert.ok(cancelled instanceof OpenAI.BadRequestError, String(cancelled));
    const streamed = await thrown(() => ada.responses.retrieve(kept.id, { stream: true }));
    assert.ok(streamed instanceof OpenAI.BadRequestError, String(streamed));
    assert.match(streamed.message, /stream/);

    // Nobody else hears whether there is one.
    const asked = upstream.requests.length;
    const eve = gateway.openai(await gateway.key('acme', '--user', 'eve'));
    const said = new Set();
    for (const [client, id] of [
      [eve, kept.id],
      [ada, 'resp_upstream_1'],
      [ada, 'resp_none'],
    ]) {
      for (const read of [
        () => client.responses.retrieve(id),
        () => client.responses.delete(id),
        () => client.responses.cancel(id),
        () => client.responses.inputItems.list(id),
      ]) {
        const error = await thrown(read);
        assert.ok(error instanceof OpenAI.NotFoundError, String(error));
        said.add(error.message);
      }
    }
    assert.equal(said.size, 1);
    assert.equal(upstream.requests.length, asked);

    await ada.responses.delete(kept.id);
    assert.ok((await thrown(() => ada.responses.retrieve(kept.id))) instanceof OpenAI.NotFoundError);
    assert.equal((await ada.responses.retrieve(first.id)).id, first.id);
  });
});
