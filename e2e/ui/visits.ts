/** What the tests of the pages begin with: one site for a file, one visit at a time, and words for what is seen there. */
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import type { Fixture } from './fixtures.ts';
import { noBrowser, type Site, startSite, type Visit, type VisitOptions } from './site.ts';

/** Where no browser is the tests are skipped, with the reason. */
export function useSite(): () => Site {
  let site: Site | undefined;
  beforeAll(async () => {
    if (noBrowser === undefined) site = await startSite();
  }, 60_000);
  afterAll(() => site?.close());
  beforeEach((context) => {
    if (noBrowser !== undefined) context.skip(noBrowser);
  });
  return () => {
    if (site === undefined) throw new Error('the site is up only while tests run');
    return site;
  };
}

export type Visits = {
  readonly site: () => Site;
  readonly open: (fixture: Fixture, path: string, options?: VisitOptions) => Promise<Page>;
  /** To another place, by its address. */
  readonly goTo: (page: Page, path: string) => Promise<unknown>;
  /** The visit ends before its test does, and another may begin. */
  readonly leave: () => Promise<void>;
  /** What the page complained of. A test that expects something takes it out. */
  readonly mistakes: () => string[];
};

/** Each visit ends with its test, and fails it by what the page complained of. */
export function useVisits(): Visits {
  const site = useSite();
  let visit: Visit | undefined;
  const mistakes = (): string[] => visit?.mistakes ?? [];
  const leave = async (): Promise<void> => {
    const found = mistakes();
    await visit?.context.close();
    visit = undefined;
    expect(found).toEqual([]);
  };
  afterEach(leave);
  return {
    site,
    async open(...args) {
      visit = await site().open(...args);
      return visit.page;
    },
    goTo: (page, path) => page.goto(`${site().url}/#/${path}`),
    leave,
    mistakes,
  };
}

export const said = (page: Page, text: string | RegExp) => page.getByRole('status').filter({ hasText: text }).first().waitFor();
export const heading = (page: Page, name: string) => page.getByRole('heading', { level: 1, name }).waitFor();
