/** What a bitcoin costs, asked of the relay for a page. Nothing here moves money; a price that cannot be is refused by the answer's schema. */
import * as v from 'valibot';
import { ok } from '../../shared/lib/result.ts';
import { priceRequest } from '../../shared/protocol/session.ts';
import { fail, type Handlers } from './answers.ts';

export const priceRequests: Pick<Handlers, 'price'> = {
  async price(ports, arg) {
    const parsed = v.safeParse(priceRequest, arg);
    if (!parsed.success) return fail('price-source-refused', parsed.issues[0].message);
    if ((await ports.keys()) === undefined) return fail('no-wallet');
    const relay = await ports.relay();
    const answer = await relay.call('price', parsed.output);
    if (answer.ok) return ok({ rate: answer.value.rate });
    const { code, detail } = answer.error;
    if (code === 'unreachable' || code === 'aborted') return fail('relay-unreachable', detail);
    if (code === 'dial-refused' || code === 'bad-request' || code === 'onion-unsupported')
      return fail('price-source-refused', `${code}: ${detail}`);
    return fail('price-unavailable', `${code}: ${detail}`);
  },
};
