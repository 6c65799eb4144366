// The smaller surfaces, by the real SDKs where those have them.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  Anthropic,
  OpenAI,
  load,
  scope,
  standard,
  startGateway,
  startMock,
  thrown,
} from './harness.mjs';

const { CohereClient } = await load('cohere-ai');

function doors(url) {
  const config = standard(url);
  const { prompt, allow } = config.routes[0];
  config.routes.push(
    {
      name: 'count',
      path: '/v1/messages/count_tokens',
      models: ['claude'],
      allow,
      prompt,
      tools: { allow: ['get_weather'] },
    },
    { name: 'moderations', path: '/v1/moderations', models: ['embed'], allow, prompt },
    { name: 'rerank', path: '/v1/rerank', models: ['embed'], allow, prompt },
  );
  return config;
}

describe('The smaller surfaces', () => {
  const shared = scope(after);
  let gateway, key, openai, anthropic;
  before(async () => {
    const mock = await startMock(shared);
    gateway = await startGateway(shared, doors(mock.url));
    key = await gateway.key();
    openai = gateway.openai(key);
    anthropic = gateway.anthropic(Anthropic, key);
  });

  it('count_tokens tells what a message would be counted as, and costs nothing', async () => {
    const asked = { model: 'claude', messages: [{ role: 'user', content: 'Write 12 words.' }] };
    const { data, response } = await anthropic.messages.countTokens(asked).withResponse();
    const message = await anthropic.messages.create({ ...asked, max_tokens: 50 });
    assert.equal(data.input_tokens, message.usage.input_tokens);
    const { decision, outcome } = await gateway.records(response.headers.get('request-id'));
    assert.equal(decision.surface, 'count_tokens');
    assert.equal(Number(outcome.cost_usd), 0);
    const error = await thrown(() =>
      anthropic.messages.countTokens({
        ...asked,
        tools: [{ name: 'delete_all', input_schema: { type: 'object' } }],
      }),
    );
    assert.ok(error instanceof Anthropic.PermissionDeniedError, error.message);
  });

  it('moderations are paid by what they look at', async () => {
    for (const [input, results] of [
      ['Is this fine?', 1],
      [['Is this fine?', 'And this?'], 2],
      [[{ type: 'text', text: 'Is this fine?' }], 1],
    ]) {
      const { data, response } = await openai.moderations
        .create({ model: 'embed', input })
        .withResponse();
      assert.equal(data.results.length, results);
      assert.equal(data.results[0].flagged, false);
      const { outcome } = await gateway.records(response.headers.get('x-request-id'));
      assert.ok(Number(outcome.cost_usd) > 0);
      assert.equal(outcome.usage.source, 'counted');
    }
    const error = await thrown(() =>
      openai.moderations.create({
        model: 'embed',
        input: [{ type: 'image_url', image_url: { url: 'https://x.example/a.png' } }],
      }),
    );
    assert.ok(error instanceof OpenAI.BadRequestError);
    assert.equal(error.headers.get('x-tollgate-reason'), 'unsupported_parameter');
  });

  it('a query is paid with each document that it is read with', async () => {
    const rank = async (documents) => {
      const reply = await gateway.post(
        '/v1/rerank',
        { model: 'embed', query: 'What is a gateway?', documents, top_n: 2 },
        key,
      );
      assert.equal(reply.status, 200, await reply.clone().text());
      const { outcome } = await gateway.records(reply.headers.get('x-request-id'));
      return { body: await reply.json(), outcome };
    };
    const one = await rank(['A door.']);
    const four = await rank(['A door.', { text: 'A door.' }, 'A door.', 'A door.']);
    assert.equal(one.body.results.length, 1);
    assert.ok(four.outcome.usage.input > 4 * one.outcome.usage.input - 4);
    const none = await gateway.post('/v1/rerank', { model: 'embed', query: 'x', documents: [] }, key);
    assert.equal(none.status, 400);
    assert.match((await none.json()).error.message, /documents/);
  });

  it('a ranking is read by a client of its own', async () => {
    const client = new CohereClient({
      token: key.secret,
      environment: gateway.url,
      clientName: 'test',
    });
    const asked = { model: 'embed', query: 'What is a gateway?', topN: 1 };
    const documents = ['A door.', 'A wall.'];
    const { results } = await client.rerank({ ...asked, documents }, { maxRetries: 0 });
    assert.equal(results[0].index, 0);
    assert.equal(typeof results[0].relevanceScore, 'number');
    const error = await thrown(() =>
      client.rerank({ ...asked, model: 'absent', documents }, { maxRetries: 0 }),
    );
    assert.equal(error.statusCode, 404);
    assert.equal(error.body.error.code, 'model_not_found');
  });

  it('a model is told to whom it may serve', async () => {
    const model = await openai.models.retrieve('small');
    assert.deepEqual(model, { id: 'small', object: 'model', created: 0, owned_by: 'tollgate' });
    const claude = await anthropic.models.retrieve('claude');
    assert.equal(claude.id, 'claude');
    for (const hidden of ['hidden', 'absent']) {
      const error = await thrown(() => openai.models.retrieve(hidden));
      assert.ok(error instanceof OpenAI.NotFoundError);
      assert.equal(error.code, 'model_not_found');
    }
  });
});
