/** The page: looks and addresses at once, then the worker, then what the worker knows. */
import { mount } from 'svelte';
import App from './ui/App.svelte';
import { device } from './view/device.svelte.ts';
import { takeIncoming } from './view/incoming.ts';
import { node } from './view/node.svelte.ts';
import { prefs } from './view/prefs.svelte.ts';
import { price } from './view/price.svelte.ts';
import { push } from './view/push.svelte.ts';
import { shell } from './view/register.svelte.ts';
import { router } from './view/router.svelte.ts';
import { keepSocket } from './view/socket.ts';
import { world } from './view/world.svelte.ts';

void world.load();
prefs.start();
takeIncoming();
router.start();
device.start();
const target = document.getElementById('app');
if (!target) throw new Error('index.html has no #app');
mount(App, { target });

await shell.start();
if (shell.state === 'ready') {
  keepSocket();
  await node.start();
  if (node.snapshot?.wallet === 'ready') void push.renew();
  price.start();
}
