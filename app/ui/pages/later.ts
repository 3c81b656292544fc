/** The pages that are not of the first view, in one file that is loaded with the first of them. */
export { default as ChannelDetail } from './ChannelDetail.svelte';
export { default as CloseChannel } from './CloseChannel.svelte';
export { default as Coins } from './Coins.svelte';
export { default as ForceClose } from './ForceClose.svelte';
export { default as MakeInvoice } from './MakeInvoice.svelte';
export { default as OpenChannel } from './OpenChannel.svelte';
export { default as PaymentDetail } from './PaymentDetail.svelte';
export { default as Payments } from './Payments.svelte';
export { default as Price } from './Price.svelte';
export { default as Receive } from './Receive.svelte';
export { default as Send } from './Send.svelte';
export { default as ShowInvoice } from './ShowInvoice.svelte';
export { default as YourNode } from './YourNode.svelte';
