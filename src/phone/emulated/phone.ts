import type { Phone, PhoneOptions } from '../types.ts';

export async function startEmulated(_options: PhoneOptions): Promise<Phone> {
  throw new Error('under construction');
}
