import { startEmulated } from './emulated/phone.ts';
import { startReal } from './real/phone.ts';
import type { Phone, PhoneOptions } from './types.ts';

/** Starts a phone inside this process. It lives until `stop`, or as long as this process. */
export async function startPhone(options: PhoneOptions = {}): Promise<Phone> {
  return options.make === 'real' ? await startReal(options) : await startEmulated(options);
}
