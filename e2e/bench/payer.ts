/** A node in a process of its own that pays and is paid: `payer.ts engine|ldk alice|bob folder [rpcUrl]`. It does what it is told, one thing after the other. */
import { startEngine } from './payer-engine.ts';
import { startLdk } from './payer-ldk.ts';
import type { Order, PayerName, Told } from './payers.ts';

const [kind, who, folder = '', rpcUrl = ''] = process.argv.slice(2);
const name: PayerName = who === 'bob' ? 'bob' : 'alice';
const node = kind === 'ldk' ? await startLdk(name, folder, rpcUrl) : await startEngine(name, folder);

async function obey(order: Order): Promise<Told> {
  switch (order.do) {
    case 'connect':
      await node.connect(order.id, order.port);
      return {};
    case 'open':
      await node.open(order.id);
      return {};
    case 'tip':
      return { usable: await node.tip() };
    case 'invoices':
      return { invoices: [...(await node.invoices(order.count))] };
    case 'pay': {
      const from = performance.now();
      await node.pay(order.invoices, order.atOnce);
      return { ms: performance.now() - from };
    }
    case 'usage': {
      const { user, system } = process.cpuUsage();
      return { cpuMs: (user + system) / 1000, commits: node.commits() };
    }
  }
}

const answer = (told: Told): void => void process.send?.(told);
process.on('message', (order: Order) => {
  obey(order).then(answer, (error: unknown) => answer({ error: error instanceof Error ? error.message : String(error) }));
});
process.on('disconnect', () => void node.stop().then(() => process.exit(0)));
answer({ id: node.id, port: node.port, address: node.address });
