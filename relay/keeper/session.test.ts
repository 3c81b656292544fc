/** The queue of one epoch against a model: every numbered message until it is acknowledged, in order, once. */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { Epoch } from './session.ts';
import { messageOf } from './testing.ts';

type Step = { readonly t: 'receive'; readonly type: number; readonly size: number } | { readonly t: 'acknowledge'; readonly n: number };
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ t: fc.constant('receive' as const), type: fc.constantFrom(16, 128, 132, 256, 258, 32_769), size: fc.nat(40) }),
  },
  { weight: 1, arbitrary: fc.record({ t: fc.constant('acknowledge' as const), n: fc.nat(60) }) },
);

test('any schedule of messages and acknowledgements', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 50, size: 'max' }), (steps) => {
      const limits = { queueFrames: 8, queueBytes: 200 };
      const epoch = new Epoch(7, limits);
      let model: { n: number; bytes: Uint8Array }[] = [];
      let last = 0;
      for (const action of steps) {
        if (action.t === 'acknowledge') {
          const room = epoch.acknowledge(action.n);
          model = model.filter((frame) => frame.n > action.n);
          const bytes = model.reduce((sum, frame) => sum + frame.bytes.length, 0);
          expect(room).toBe(model.length <= 4 && bytes <= 100);
        } else {
          const bytes = messageOf(action.type, ...new Array<number>(action.size).fill(1));
          const updates = model.filter((frame) => frame.bytes[0] === 1 && frame.bytes[1] === 2).length;
          const kept = action.type !== 256 && action.type !== 32_769 && !(action.type === 258 && updates >= 16);
          const received = epoch.receive(bytes);
          if (kept) model.push({ n: ++last, bytes });
          const total = model.reduce((sum, frame) => sum + frame.bytes.length, 0);
          expect(received.kept).toBe(kept);
          expect(received.room).toBe(model.length < 8 && total < 200);
        }
        expect(epoch.waiting.map((frame) => frame.n)).toEqual(model.map((frame) => frame.n));
        expect(epoch.waiting.every((frame, i) => frame.bytes === model[i]?.bytes)).toBe(true);
        expect(epoch.waitingBytes).toBe(model.reduce((sum, frame) => sum + frame.bytes.length, 0));
      }
    }),
    { numRuns: 60 },
  );
});

test('any mixture of retries, overlaps and gaps: each outbound number is written once, in order', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 60, size: 'max' }), (numbers) => {
      const epoch = new Epoch(1, { queueFrames: 1, queueBytes: 1 });
      const written: number[] = [];
      for (const m of numbers) {
        if (epoch.place(m, 0) !== 'next') continue;
        epoch.wrote(m);
        written.push(m);
      }
      expect(written).toEqual(written.map((_, i) => i + 1));
      expect(epoch.lastM).toBe(written.length);
    }),
  );
});
