/** Which of the features that matter to a channel both sides advertised in `init`. */
export type Negotiated = {
  readonly largeChannels: boolean;
  readonly anchors: boolean;
  readonly scidAlias: boolean;
  readonly zeroConf: boolean;
  readonly anySegwit: boolean;
  readonly simpleClose: boolean;
  readonly quiesce: boolean;
};
