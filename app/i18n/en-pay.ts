/** English, what the first view says of payments: the part of the catalogue that `en.ts` takes in. The rest is in `en-payments.ts`. */
export const enPay = {
  pay: {
    send: 'Send',
    receive: 'Receive',
    payments: 'Payments',
    /** What a payment is called that has no description. */
    one: 'Payment',
    fromSomebody: 'Invoice of yours',
    keysendIn: 'Without an invoice',
    toNode: (name: string) => `To ${name}`,
    states: {
      open: 'Waiting to be paid',
      expired: 'Never paid',
      holding: 'Partly here',
      settling: 'Arriving',
      paid: 'Received',
      pending: 'On its way',
      sent: 'Sent',
      failed: 'Not sent',
    },
  },
} as const;
