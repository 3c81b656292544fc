/**
 * Where the vectors of this folder come from: the Lightning specifications, https://github.com/lightning/bolts,
 * licensed CC-BY 4.0 (https://creativecommons.org/licenses/by/4.0/). `messages.csv` is what their
 * `tools/extract-formats.py` yields for BOLT 1, 2, 4 and 7.
 */
export const BOLTS_COMMIT = 'a3772650d8ebc06acf457fcadf97968ebfc4dfff';
