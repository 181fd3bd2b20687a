/**
 * RoPE in a config.json, in both of transformers' forms (modeling_rope_utils.py): `rope_parameters` with everything in it,
 * or, before version 5, `rope_theta` beside `rope_scaling`.
 */
import { mft } from '../../protocol/index.ts';
import type { ConfigFields } from './config-fields.ts';

const { RopeScalingKind } = mft.v1;

export interface Rope {
  ropeTheta: number;
  /** Absent: frequencies as they are. */
  ropeScaling?: mft.v1.RopeScaling;
}

const SUPPORTED = ['default', 'linear', 'llama3'];

/** RoPE of a family with one kind of it. `theta`: its base when the config names none. */
export function readRope(fields: ConfigFields, theta: number, positions: number): Rope {
  const inner = fields.object('rope_parameters', 'rope_scaling');
  return readParameters(fields, inner, 'rope_theta', theta, positions);
}

/**
 * One kind of RoPE out of its own object, if there is one. Its base may stand beside that, under `thetaName`; twice with
 * two values is an error.
 */
export function readParameters(
  outer: ConfigFields,
  inner: ConfigFields | undefined,
  thetaName: string,
  theta: number,
  positions: number,
): Rope {
  for (const fields of [outer, inner]) fields?.oneOf('partial_rotary_factor', [1, null], null);
  const outside = outer.positive(thetaName, theta);
  const ropeTheta = inner?.positive('rope_theta', outside) ?? outside;
  if (outer.has(thetaName) && ropeTheta !== outside)
    throw outer.bad(thetaName, outside, `it contradicts rope_theta = ${ropeTheta} of the RoPE parameters`);
  const ropeScaling = inner === undefined ? undefined : readScaling(inner, positions);
  inner?.finish();
  return { ropeTheta, ...(ropeScaling === undefined ? {} : { ropeScaling }) };
}

function readScaling(fields: ConfigFields, positions: number): mft.v1.RopeScaling | undefined {
  const type = fields.oneOf(fields.has('rope_type') ? 'rope_type' : 'type', SUPPORTED, 'default');
  if (fields.has('rope_type')) fields.oneOf('type', [type], type);
  if (type === 'default') return undefined;
  const factor = fields.positive('factor');
  if (type === 'linear')
    return mft.v1.RopeScaling.create({ kind: RopeScalingKind.ROPE_SCALING_LINEAR, factor });
  const [lowFreqFactor, highFreqFactor] = [
    fields.positive('low_freq_factor'),
    fields.positive('high_freq_factor'),
  ];
  if (lowFreqFactor >= highFreqFactor)
    throw fields.bad(
      'low_freq_factor',
      lowFreqFactor,
      `it must be less than high_freq_factor = ${highFreqFactor}`,
    );
  return mft.v1.RopeScaling.create({
    kind: RopeScalingKind.ROPE_SCALING_LLAMA3,
    factor,
    lowFreqFactor,
    highFreqFactor,
    originalMaxPositions: fields.size(['original_max_position_embeddings'], positions),
  });
}
