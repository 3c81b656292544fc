/** What a payment taught of channels that are not ours, as the route search keeps it. */
import type { Lesson } from '../../../shared/ln/payment/command.ts';
import { type Liquidity, learnFailure, learnPassed, learnPolicy, learnSuccess, noLiquidity } from '../../../shared/ln/route/liquidity.ts';

export function learn(before: Liquidity | undefined, lesson: Lesson, nowSeconds: number): Liquidity {
  const liquidity = before ?? noLiquidity;
  switch (lesson.tag) {
    case 'passed':
      return learnPassed(liquidity, lesson.edge, lesson.amountMsat, nowSeconds);
    case 'settled':
      return learnSuccess(liquidity, lesson.edge, lesson.amountMsat, nowSeconds);
    case 'stuck':
      return learnFailure(liquidity, lesson.edge, lesson.amountMsat, nowSeconds);
    case 'shut':
      return learnFailure(liquidity, lesson.edge, 1n, nowSeconds);
    case 'policy': {
      const [shortChannelId = '', direction = ''] = lesson.edge.split('/');
      return learnPolicy(liquidity, BigInt(shortChannelId), Number(direction), lesson.policy);
    }
  }
}
