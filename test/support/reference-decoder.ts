/**
 * The decoder of proto/mft/v1/model.proto in plain float64, straight from the comments there and slow: what a pack means,
 * without the runtime. No cache, no tiles; one sequence at a time.
 */
import { packTensors } from '../../src/model/pack/read.ts';
import { elementsOf } from '../../src/model/tensors/stream.ts';
import type { ModelConfig, ModelPack } from '../../src/model/types.ts';
import { mft } from '../../src/protocol/index.ts';

type Row = number[];
interface Matrix {
  shape: readonly number[];
  values: Float32Array;
}
type Weights = (name: string) => Matrix | undefined;

const { Activation, NormKind, PositionKind, RopeScalingKind } = mft.v1;

/** Logits [T][V] of a sequence of tokens. */
export async function referenceLogits(pack: ModelPack, tokens: readonly number[]): Promise<Row[]> {
  const reader = packTensors(pack);
  const all = new Map<string, Matrix>();
  for (const [name, shape] of reader.shapes)
    all.set(name, { shape, values: await reader.read(name, 0, elementsOf(shape)) });
  await reader.close();
  return forward(pack.config, (name) => all.get(name), tokens);
}

function forward(config: ModelConfig, weights: Weights, tokens: readonly number[]): Row[] {
  const table = weights('embed.tokens');
  const places = weights('embed.positions');
  const scale = config.embedScale || 1;
  let x = tokens.map((token, t) =>
    rowOf(table, token).map(
      (value, i) => value * scale + (places === undefined ? 0 : (rowOf(places, t)[i] ?? 0)),
    ),
  );
  for (let layer = 0; layer < config.numLayers; layer += 1) x = block(config, weights, layer, x);
  const head = weights('lm_head.weight') ?? table;
  const cap = config.logitSoftcap;
  return x.map((row) => {
    const logits = linear(head, undefined, norm(config, weights, 'final_norm', row));
    return cap === 0 ? logits : logits.map((value) => cap * Math.tanh(value / cap));
  });
}

function block(config: ModelConfig, weights: Weights, layer: number, x: Row[]): Row[] {
  const at = `blocks.${layer}`;
  const after = (name: string, rows: Row[]) =>
    config.postNorms ? rows.map((row) => norm(config, weights, `${at}.${name}`, row)) : rows;
  const attended = after('attn_post_norm', attention(config, weights, layer, x));
  const middle = x.map((row, t) => add(row, attended[t] ?? []));
  const inner = after(
    'mlp_post_norm',
    middle.map((row) => mlp(config, weights, at, row)),
  );
  return middle.map((row, t) => add(row, inner[t] ?? []));
}

function mlp(config: ModelConfig, weights: Weights, at: string, row: Row): Row {
  const normed = norm(config, weights, `${at}.mlp_norm`, row);
  const up = linear(weights(`${at}.mlp.up.weight`), weights(`${at}.mlp.up.bias`), normed);
  const width = config.intermediateSize;
  const active = (value: number) =>
    config.activation === Activation.ACTIVATION_SILU
      ? value / (1 + Math.exp(-value))
      : 0.5 * value * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (value + 0.044715 * value ** 3)));
  const hidden = config.gatedMlp
    ? up.slice(0, width).map((gate, i) => active(gate) * (up[width + i] ?? 0))
    : up.map(active);
  return linear(weights(`${at}.mlp.down.weight`), weights(`${at}.mlp.down.bias`), hidden);
}

function attention(config: ModelConfig, weights: Weights, layer: number, x: Row[]): Row[] {
  const at = `blocks.${layer}`;
  const { numHeads: heads, numKvHeads: kvHeads, headDim: dim } = config;
  const slides = config.slidingLayers[layer] === true;
  const normed = x.map((row) => norm(config, weights, `${at}.attn_norm`, row));
  const qkv = normed.map((row, t) => {
    const all = linear(weights(`${at}.attn.qkv.weight`), weights(`${at}.attn.qkv.bias`), row);
    return Array.from({ length: heads + 2 * kvHeads }, (_, head) => {
      const part = all.slice(head * dim, (head + 1) * dim);
      if (head >= heads + kvHeads) return part; // a value
      const name = `${at}.attn.${head < heads ? 'q' : 'k'}_norm`;
      return rotate(config, slides, t, config.qkNorm ? norm(config, weights, name, part) : part);
    });
  });
  return qkv.map((own, t) => {
    const first = slides ? Math.max(0, t + 1 - config.slidingWindow) : 0;
    const seen = qkv.slice(first, t + 1);
    const mixed = Array.from({ length: heads }, (_, head) => {
      const kv = heads + Math.floor((head * kvHeads) / heads);
      const scores = seen.map((other) => score(config, own[head] ?? [], other[kv] ?? []));
      const most = Math.max(...scores);
      const weightsOf = scores.map((value) => Math.exp(value - most));
      const sum = weightsOf.reduce((a, b) => a + b, 0);
      return Array.from({ length: dim }, (_v, i) =>
        seen.reduce(
          (total, other, j) => total + ((weightsOf[j] ?? 0) / sum) * (other[kv + kvHeads]?.[i] ?? 0),
          0,
        ),
      );
    }).flat();
    return linear(weights(`${at}.attn.out.weight`), weights(`${at}.attn.out.bias`), mixed);
  });
}

function score({ attentionScale, attentionSoftcap: cap, headDim }: ModelConfig, q: Row, k: Row): number {
  const value = dot(q, k) * (attentionScale || 1 / Math.sqrt(headDim));
  return cap === 0 ? value : cap * Math.tanh(value / cap);
}

function rotate(config: ModelConfig, slides: boolean, t: number, row: Row): Row {
  if (config.position !== PositionKind.POSITION_ROPE) return row;
  const half = config.headDim / 2;
  const local = slides && config.ropeLocalTheta > 0;
  const out = [...row];
  for (let i = 0; i < half; i += 1) {
    const plain = (local ? config.ropeLocalTheta : config.ropeTheta) ** (-i / half);
    const angle = t * (local ? plain : scaled(config.ropeScaling, plain));
    const [a, b] = [row[i] ?? 0, row[i + half] ?? 0];
    out[i] = a * Math.cos(angle) - b * Math.sin(angle);
    out[i + half] = b * Math.cos(angle) + a * Math.sin(angle);
  }
  return out;
}

function scaled(scaling: ModelConfig['ropeScaling'], frequency: number): number {
  if (!scaling || scaling.kind === RopeScalingKind.ROPE_SCALING_NONE) return frequency;
  const { factor = 1, lowFreqFactor: low = 1, highFreqFactor: high = 1, originalMaxPositions = 1 } = scaling;
  if (scaling.kind === RopeScalingKind.ROPE_SCALING_LINEAR) return frequency / factor;
  const turns = (originalMaxPositions * frequency) / (2 * Math.PI);
  if (turns < low) return frequency / factor;
  if (turns > high) return frequency;
  const smooth = (turns - low) / (high - low);
  return ((1 - smooth) * frequency) / factor + smooth * frequency;
}

function norm(config: ModelConfig, weights: Weights, name: string, row: Row): Row {
  const [weight, bias] = [weights(`${name}.weight`)?.values, weights(`${name}.bias`)?.values];
  const isLayer = config.norm === NormKind.NORM_LAYER;
  const mean = isLayer ? row.reduce((a, b) => a + b, 0) / row.length : 0;
  const variance = row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / row.length;
  const plus = config.norm === NormKind.NORM_RMS_PLUS_ONE ? 1 : 0;
  const scale = 1 / Math.sqrt(variance + config.normEps);
  return row.map(
    (value, i) => (value - mean) * scale * (plus + (weight?.[i] ?? Number.NaN)) + (bias?.[i] ?? 0),
  );
}

function linear(weight: Matrix | undefined, bias: Matrix | undefined, row: Row): Row {
  return Array.from(
    { length: weight?.shape[0] ?? 0 },
    (_, out) => dot(rowOf(weight, out), row) + (bias?.values[out] ?? 0),
  );
}

function rowOf(matrix: Matrix | undefined, index: number): Row {
  const columns = matrix?.shape[1] ?? 0;
  return [...(matrix?.values.subarray(index * columns, (index + 1) * columns) ?? [])];
}

function dot(a: Row, b: Row): number {
  return a.reduce((sum, value, i) => sum + value * (b[i] ?? Number.NaN), 0);
}

function add(a: Row, b: Row): Row {
  return a.map((value, i) => value + (b[i] ?? Number.NaN));
}
