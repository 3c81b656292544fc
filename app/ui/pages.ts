/** Which page an address shows. */
import type { Component, ComponentInternals, ComponentProps } from 'svelte';
import type { Route } from '../view/route.ts';
import type { PageProps } from './page-props.ts';
import About from './pages/About.svelte';
import Activity from './pages/Activity.svelte';
import ActivityDetail from './pages/ActivityDetail.svelte';
import Channels from './pages/Channels.svelte';
import ConnectPeer from './pages/ConnectPeer.svelte';
import Home from './pages/Home.svelte';
import Language from './pages/Language.svelte';
import Log from './pages/Log.svelte';
import Looks from './pages/Looks.svelte';
import Missing from './pages/Missing.svelte';
import Notify from './pages/Notify.svelte';
import PeerDetail from './pages/PeerDetail.svelte';
import Peers from './pages/Peers.svelte';
import Policy from './pages/Policy.svelte';
import Readiness from './pages/Readiness.svelte';
import Relay from './pages/Relay.svelte';
import Settings from './pages/Settings.svelte';
import TypeWords from './pages/TypeWords.svelte';
import Welcome from './pages/Welcome.svelte';
import Words from './pages/Words.svelte';
import Later from './parts/Later.svelte';

type Page = Component<PageProps>;
/** A place: its own page, the pages below it by name, those of them that take one part more, and the page of one item. */
type Place = {
  readonly self: Page;
  readonly named?: { readonly [name: string]: Page };
  readonly more?: readonly string[];
  readonly item?: Page;
};

/** A page that needs to know nothing. */
const bare =
  (page: (internals: ComponentInternals, props: Record<string, never>) => object): Page =>
  (internals) =>
    page(internals, {});

type Pages = typeof import('./pages/later.ts');
const showLater: (internals: ComponentInternals, props: ComponentProps<typeof Later>) => object = Later;
/** A page that few visits begin with: it comes when it is asked for, and is kept for offline use like the others. */
const later =
  (pick: (pages: Pages) => Page): Page =>
  (internals, props) =>
    showLater(internals, { load: async () => pick(await import('./pages/later.ts')), page: props });

const open = later((pages) => pages.OpenChannel);
const send = later((pages) => pages.Send);
const [missing, welcome, typeWords] = [bare(Missing), bare(Welcome), bare(TypeWords)];

const places: { readonly [place: string]: Place } = {
  '': { self: Home },
  welcome: { self: Words, named: { words: Words } },
  notify: { self: Notify, named: { first: Notify } },
  node: { self: later((pages) => pages.YourNode) },
  activity: { self: bare(Activity), item: ActivityDetail },
  send: { self: send, item: send },
  receive: { self: later((pages) => pages.MakeInvoice), item: later((pages) => pages.ShowInvoice) },
  payments: { self: later((pages) => pages.Payments), item: later((pages) => pages.PaymentDetail) },
  channels: { self: Channels, item: later((pages) => pages.ChannelDetail) },
  open: { self: open, item: open },
  close: { self: missing, item: later((pages) => pages.CloseChannel) },
  'force-close': { self: missing, item: later((pages) => pages.ForceClose) },
  coins: { self: later((pages) => pages.Coins), named: { receive: later((pages) => pages.Receive) } },
  peers: { self: Peers, named: { connect: ConnectPeer }, more: ['connect'], item: PeerDetail },
  settings: {
    self: bare(Settings),
    named: {
      readiness: Readiness,
      policy: Policy,
      relay: Relay,
      words: Words,
      looks: Looks,
      price: later((pages) => bare(pages.Price)),
      language: bare(Language),
      log: bare(Log),
      about: About,
    },
  },
};

/** `fresh`: there is no wallet yet, so everything leads to the first start. */
export function pageFor(route: Route, fresh: boolean): { readonly component: Page; readonly parts: readonly string[] } {
  const parts = [route.place, ...route.parts];
  if (fresh) return { component: route.place === 'welcome' && route.parts[0] === 'restore' ? typeWords : welcome, parts };
  const place = Object.hasOwn(places, route.place) ? places[route.place] : undefined;
  const [name, ...rest] = route.parts;
  if (!place || rest.length > (name !== undefined && place.more?.includes(name) ? 1 : 0)) return { component: missing, parts };
  if (name === undefined) return { component: place.self, parts };
  const named = place.named && Object.hasOwn(place.named, name) ? place.named[name] : undefined;
  return { component: named ?? place.item ?? missing, parts };
}
