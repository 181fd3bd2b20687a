import { ExitCode, MftError } from '../../../base/errors.ts';
import type { Profile } from '../profile.ts';
import { galaxyA52 } from './galaxy-a52.ts';
import { pixel8 } from './pixel-8.ts';
import { redmiNote14 } from './redmi-note-14.ts';

const profiles: readonly Profile[] = [pixel8, galaxyA52, redmiNote14];

export function profileNames(): string[] {
  return profiles.map((profile) => profile.name);
}

/** The profile of that name, or an MftError that lists the names. */
export function profileNamed(name: string): Profile {
  const found = profiles.find((profile) => profile.name === name);
  if (found === undefined) {
    throw new MftError(`There is no phone profile "${name}".`, {
      code: 'phone.unknown-profile',
      exit: ExitCode.usage,
      suggestions: [`Use one of: ${profileNames().join(', ')}.`],
    });
  }
  return found;
}
