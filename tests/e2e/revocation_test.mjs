// A key that is revoked is refused at once, and what is at work with it ends.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { poll, standard, startGateway } from './harness.mjs';
import { beginStream, chunk, endStream, fakeUpstream } from './fake_upstream.mjs';

describe('a key that is revoked', () => {
  it('takes down the streams that are open with it, and no others', async (t) => {
    const open = [];
    const upstream = await fakeUpstream(t, ({ response }) => {
      beginStream(response);
      response.write(chunk({ content: 'Hi' }));
      open.push(response);
    });
    const gateway = await startGateway(t, standard(upstream.url));
    const [revoked, other] = [await gateway.key(), await gateway.key()];
    const read = async (key) => {
      const response = await gateway.chat(key, { stream: true });
      let text = '';
      for await (const piece of response.body) text += Buffer.from(piece).toString();
      return text;
    };
    let ended = false;
    const stays = read(other).finally(() => (ended = true));
    const goes = read(revoked);
    await poll(() => open.length === 2, 'two streams');
    assert.equal((await gateway.run('keys', 'revoke', revoked.id)).code, 0);
    const text = await goes;
    assert.match(text, /Hi/);
    assert.match(text, /"error"/);
    assert.match(text, /revoked/);
    assert.equal(ended, false);
    await poll(() => upstream.cut === 1, 'the upstream of that stream to be given up');
    open.filter((response) => !response.destroyed).forEach((response) => endStream(response));
    assert.match(await stays, /\[DONE\]/);
  });
});
