import { messageOf } from '../../src/base/errors.ts';
import { startPhone } from '../../src/phone/index.ts';

/**
 * Why phones of the real make can't be tested here; undefined if they can. Found out by starting one. `MFT_TEST_REAL=required` makes
 * it a failure: for machines that are there to test them.
 */
export async function realUnavailable(): Promise<string | undefined> {
  try {
    const phone = await startPhone({ make: 'real' });
    await phone.stop();
    return undefined;
  } catch (error) {
    if (process.env.MFT_TEST_REAL === 'required') throw error;
    if (error instanceof Error && 'code' in error && error.code === 'phone.real-unavailable')
      return messageOf(error);
    throw error;
  }
}
