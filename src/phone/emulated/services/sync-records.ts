/** The records of the sync protocol (AOSP: file_sync_protocol.h), all little-endian. */
import type { BigIntStats, Stats } from 'node:fs';

export interface Owner {
  uid: number;
  gid: number;
}

function seconds(ms: number): number {
  return Math.floor(ms / 1000) >>> 0;
}

/** STAT's answer: mode, size, mtime as u32 each; zeros if there is no such file. The size is cut to 32 bits. */
export function statV1(stat: Stats | undefined): Buffer {
  const record = Buffer.alloc(16);
  record.write('STAT', 0, 'latin1');
  if (stat !== undefined) {
    record.writeUInt32LE(stat.mode >>> 0, 4);
    record.writeUInt32LE(stat.size % 2 ** 32, 8);
    record.writeUInt32LE(seconds(stat.mtimeMs), 12);
  }
  return record;
}

/** struct sync_stat_v2: 72 bytes with its id. */
export function statV2(id: string, stat: BigIntStats, owner: Owner): Buffer {
  const record = Buffer.alloc(72);
  record.write(id, 0, 'latin1');
  writeStat(record, 8, stat, owner);
  return record;
}

export function statV2Error(id: string, errno: number): Buffer {
  const record = Buffer.alloc(72);
  record.write(id, 0, 'latin1');
  record.writeUInt32LE(errno, 4);
  return record;
}

/** After id and error: dev, ino, mode, nlink, uid, gid, size, atime, mtime, ctime; 64 bytes. */
function writeStat(record: Buffer, at: number, stat: BigIntStats, owner: Owner): void {
  record.writeBigUInt64LE(BigInt.asUintN(64, stat.dev), at);
  record.writeBigUInt64LE(BigInt.asUintN(64, stat.ino), at + 8);
  record.writeUInt32LE(Number(stat.mode) >>> 0, at + 16);
  record.writeUInt32LE(Number(stat.nlink) >>> 0, at + 20);
  record.writeUInt32LE(owner.uid, at + 24);
  record.writeUInt32LE(owner.gid, at + 28);
  record.writeBigUInt64LE(BigInt.asUintN(64, stat.size), at + 32);
  record.writeBigInt64LE(stat.atimeNs / 1_000_000_000n, at + 40);
  record.writeBigInt64LE(stat.mtimeNs / 1_000_000_000n, at + 48);
  record.writeBigInt64LE(stat.ctimeNs / 1_000_000_000n, at + 56);
}

export function dentV1(name: string, stat: Stats): Buffer {
  const bytes = Buffer.from(name);
  const record = Buffer.alloc(20);
  record.write('DENT', 0, 'latin1');
  record.writeUInt32LE(stat.mode >>> 0, 4);
  record.writeUInt32LE(stat.size % 2 ** 32, 8);
  record.writeUInt32LE(seconds(stat.mtimeMs), 12);
  record.writeUInt32LE(bytes.length, 16);
  return Buffer.concat([record, bytes]);
}

export function dentV2(name: string, stat: BigIntStats, owner: Owner): Buffer {
  const bytes = Buffer.from(name);
  const record = Buffer.alloc(76);
  record.write('DNT2', 0, 'latin1');
  writeStat(record, 8, stat, owner);
  record.writeUInt32LE(bytes.length, 72);
  return Buffer.concat([record, bytes]);
}

/** DONE, padded to the size of the record whose place it takes: 4 after RECV, 16 after LIST, 72 after LIS2. */
export function statusDone(padding: number): Buffer {
  return Buffer.concat([Buffer.from('DONE', 'latin1'), Buffer.alloc(padding)]);
}

export function statusOkay(): Buffer {
  return Buffer.concat([Buffer.from('OKAY', 'latin1'), Buffer.alloc(4)]);
}

export function statusFail(message: string): Buffer {
  const text = Buffer.from(message);
  const head = Buffer.alloc(8);
  head.write('FAIL', 0, 'latin1');
  head.writeUInt32LE(text.length, 4);
  return Buffer.concat([head, text]);
}
