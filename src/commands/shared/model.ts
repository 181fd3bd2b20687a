import { printable } from '../../base/printable.ts';
import { formatBytes } from '../../base/units.ts';
import type { ModelPack } from '../../model/index.ts';

/** 124439808 -> "124.4M" */
export function formatCount(count: number): string {
  for (const [unit, size] of [
    ['B', 1e9],
    ['M', 1e6],
    ['k', 1e3],
  ] as const)
    if (count >= size) return `${(count / size).toFixed(1)}${unit}`;
  return String(count);
}

/** What `--json` prints of a model. */
export function describeModel(pack: ModelPack) {
  const { config, manifest } = pack;
  return {
    name: pack.name,
    dir: pack.dir,
    family: config.family,
    parameters: pack.parameters,
    config: {
      vocab_size: config.vocabSize,
      hidden_size: config.hiddenSize,
      layers: config.numLayers,
      heads: config.numHeads,
      kv_heads: config.numKvHeads,
      head_dim: config.headDim,
      intermediate_size: config.intermediateSize,
      max_positions: config.maxPositions,
      tied_embeddings: config.tiedEmbeddings,
      bos_token: config.bosToken,
      eos_token: config.eosToken,
    },
    tokenizer: pack.hasTokenizer,
    source: manifest.source,
    created_by: manifest.createdBy,
    storage: pack.storage,
    bytes: pack.files.reduce((sum, file) => sum + file.bytes, 0),
    files: pack.files.map(({ name, sha256, bytes }) => ({ name, sha256, bytes })),
  };
}

function headsText({ heads, kv_heads, head_dim }: ReturnType<typeof describeModel>['config']): string {
  const shared = kv_heads === heads ? '' : ` (${kv_heads} for keys and values)`;
  return `${heads} heads of ${head_dim}${shared}`;
}

/** The same for people. */
export function modelLines(model: ReturnType<typeof describeModel>): string[] {
  const { config } = model;
  const rows: [string, string][] = [
    ['name', model.name],
    ['family', model.family],
    ['parameters', `${model.parameters} (${formatCount(model.parameters)})`],
    [
      'shape',
      `${config.layers} blocks, hidden ${config.hidden_size}, ${headsText(config)}, MLP ${config.intermediate_size}`,
    ],
    ['vocabulary', `${config.vocab_size}${config.tied_embeddings ? ', tied embeddings' : ''}`],
    ['positions', String(config.max_positions)],
    [
      'storage',
      model.storage
        .map(({ type, bytes, tensors }) => `${type} ${formatBytes(bytes)} in ${tensors} tensors`)
        .join(', '),
    ],
    ['tokenizer', model.tokenizer ? 'yes' : 'none: it can not read text'],
    ['pack', `${formatBytes(model.bytes)} in ${model.files.length} files`],
    ['source', model.source],
    ['folder', model.dir],
  ];
  return rows.map(([key, value]) => `${key.padEnd(12)} ${printable(value)}`);
}
