/** What a tokenizer.bin is, for people and for checks on the host. */
import { invalid } from './errors.ts';
import { Field, HEADER_BYTES, MAGIC, NONE, PreTokenizer, type PreTokenizerName, VERSION } from './format.ts';

export interface TokenizerDescription {
  preTokenizer: PreTokenizerName;
  /** Ids are below it. */
  vocabSize: number;
  /**
   * Ids below it without the added tokens at the end: a model may lack rows for these, as Gemma 3's text models for
   * <image_soft_token>, and text that has one is refused where it occurs.
   */
  textVocabSize: number;
  merges: number;
  added: { id: number; content: string; special: boolean }[];
  /** Ids that stand before and behind a whole text. */
  prefix: number[];
  suffix: number[];
  bos: number | undefined;
  eos: number | undefined;
  bytes: number;
}

/** Reads the header and the added tokens. @throws MftError tokenizer.invalid. */
export function describeTokenizer(bin: Uint8Array): TokenizerDescription {
  const view = new DataView(bin.buffer, bin.byteOffset, bin.byteLength);
  if (bin.length < HEADER_BYTES || Buffer.from(bin.subarray(0, 8)).toString('latin1') !== MAGIC) {
    throw invalid('this is not a tokenizer.bin');
  }
  const u32 = (offset: number) => view.getUint32(offset, true);
  if (u32(Field.version) !== VERSION) {
    throw invalid(`tokenizer.bin has version ${u32(Field.version)}; this mft reads version ${VERSION}`);
  }
  const u64 = (field: number) => Number(view.getBigUint64(field, true));
  const preTokenizer = preTokenizerNames.find((name) => PreTokenizer[name] === u32(Field.preTokenizer));
  if (preTokenizer === undefined || u64(Field.fileBytes) !== bin.length)
    throw invalid('tokenizer.bin is damaged');
  const id = (field: number) => (u32(field) === NONE ? undefined : u32(field));
  try {
    const offsets = u64(Field.tokenOffsets);
    const bytes = u64(Field.tokenBytes);
    const added = Array.from({ length: u32(Field.addedCount) }, (_, index) => {
      const entry = u64(Field.added) + 8 * index;
      const token = u32(entry);
      const content = bin.subarray(bytes + u32(offsets + 4 * token), bytes + u32(offsets + 4 * token + 4));
      return {
        id: token,
        content: Buffer.from(content).toString('utf8'),
        special: (u32(entry + 4) & 1) === 1,
      };
    });
    const template = Array.from({ length: u32(Field.prefixCount) + u32(Field.suffixCount) }, (_, index) =>
      u32(u64(Field.template) + 4 * index),
    );
    const addedIds = new Set(added.map((token) => token.id));
    let textVocabSize = u32(Field.tokenCount);
    while (addedIds.has(textVocabSize - 1)) textVocabSize -= 1;
    return {
      preTokenizer,
      vocabSize: u32(Field.tokenCount),
      textVocabSize,
      merges: u32(Field.mergeCount),
      added: added.sort((a, b) => a.id - b.id),
      prefix: template.slice(0, u32(Field.prefixCount)),
      suffix: template.slice(u32(Field.prefixCount)),
      bos: id(Field.bos),
      eos: id(Field.eos),
      bytes: bin.length,
    };
  } catch (cause) {
    throw invalid('tokenizer.bin is damaged', cause);
  }
}

const preTokenizerNames: PreTokenizerName[] = ['gpt2', 'qwen2', 'llama3', 'digits', 'whole'];
