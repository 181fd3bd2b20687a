/**
 * GPT-2's printable stand-ins for bytes: `tokenizer.json` writes a token as one character a byte. Printable Latin-1 stands
 * for itself, every other byte for U+0100 and up, in order (Radford et al. 2019, `bytes_to_unicode`).
 */

const byteOfChar = new Map<string, number>();
const charOfByte: string[] = [];

function standsForItself(byte: number): boolean {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

let next = 0x100;
for (let byte = 0; byte < 256; byte += 1) {
  const char = String.fromCharCode(standsForItself(byte) ? byte : next++);
  charOfByte.push(char);
  byteOfChar.set(char, byte);
}

/** The character that stands for a byte (0..255). */
export function charForByte(byte: number): string {
  return charOfByte[byte] ?? '';
}

/** The bytes that a token's text stands for; undefined if a character stands for none. */
export function bytesOfToken(text: string): Uint8Array | undefined {
  const bytes: number[] = [];
  for (const char of text) {
    const byte = byteOfChar.get(char);
    if (byte === undefined) return undefined;
    bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}
