import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** The files that take minutes begin the run, or the other core would wait for them at the end. */
const LONG = ['schedules', 'payment-parts', 'crash-parts', 'crash-payments', 'crash-pairs'].map((name) => `e2e/specs/${name}.test.ts`);

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isLong = ({ moduleId }: TestSpecification): boolean => LONG.some((name) => moduleId.endsWith(name));
    const sorted = await super.sort(files);
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))];
  }
}

export default defineConfig({
  test: {
    include: ['shared/**/*.{test,spec}.ts', 'app/**/*.test.ts', 'relay/**/*.test.ts', 'e2e/**/*.test.ts'],
    environment: 'node',
    testTimeout: 20_000,
    // One more than cores: much of what is tested with browsers is waiting.
    maxWorkers: 3,
    setupFiles: ['shared/ln/testing/seed.ts'],
    sequence: { sequencer: LongestFirst },
  },
});
