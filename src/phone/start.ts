import { ExitCode, MftError } from '../base/errors.ts';
import { startEmulated } from './emulated/phone.ts';
import type { Phone, PhoneOptions } from './types.ts';

/** Starts a phone inside this process. It lives until `stop`, or as long as this process. */
export async function startPhone(options: PhoneOptions = {}): Promise<Phone> {
  if ((options.make ?? 'emulated') === 'emulated') return startEmulated(options);
  throw new MftError('The real make of the virtual phone is not in this build.', {
    code: 'phone.make-missing',
    exit: ExitCode.usage,
    suggestions: ['Use --make emulated.'],
  });
}
