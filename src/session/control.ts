import { randomInt } from 'node:crypto';
import type { mft } from '../protocol/index.ts';

/** What a person can ask of a run while it goes. */
export const controlActions = ['pause', 'resume', 'stop', 'checkpoint', 'evaluate'] as const;
export type ControlAction = (typeof controlActions)[number];

const bodies: Record<ControlAction, mft.v1.Control.$Properties> = {
  pause: { pause: {} },
  resume: { resume: {} },
  stop: { stop: {} },
  checkpoint: { checkpoint: {} },
  evaluate: { evaluate: {} },
};

export type IdentifiedControl = mft.v1.Control.$Properties & { id: number };

/** A control under an id of its own: the clock and chance, so that hosts that know nothing of each other don't collide. */
export function newControl(action: ControlAction | mft.v1.Control.$Properties): IdentifiedControl {
  const id = Date.now() * 2048 + randomInt(2048);
  return { ...(typeof action === 'string' ? bodies[action] : action), id };
}
