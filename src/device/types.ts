import type { ProgressReport } from '../base/progress.ts';

/** The ABIs that mft carries a runtime for. */
export type Abi = 'arm64-v8a' | 'x86_64';

/** What a phone is, as far as Android says it without the runtime. */
export interface DeviceProfile {
  readonly serial: string;
  readonly manufacturer: string;
  readonly model: string;
  readonly androidVersion: string;
  readonly sdk: number;
  /** All ABIs that the phone runs, best first. */
  readonly abis: readonly string[];
  /** The first of them that mft has a runtime for. */
  readonly abi: Abi;
  readonly memTotalBytes: number;
  readonly memAvailableBytes: number;
  /** On the file system of /data/local/tmp. */
  readonly diskFreeBytes: number;
  readonly diskTotalBytes: number;
}

export interface StorePutOptions {
  signal?: AbortSignal;
  onProgress?: (report: ProgressReport) => void;
  /** Default 0644; 0755 for a program. */
  mode?: number;
}

export interface StoreFile {
  readonly sha256: string;
  readonly bytes: number;
}

export interface StoreItem {
  readonly localPath: string;
  /** 64 hex digits. */
  readonly sha256: string;
  readonly bytes: number;
  readonly mode?: number;
}

export type CheckStatus = 'ok' | 'warn' | 'fail';

/** One line of `mft doctor`. */
export interface Check {
  readonly name: string;
  readonly status: CheckStatus;
  readonly detail: string;
  /** What to do about it; empty when all is well. */
  readonly hint: string;
}

export interface RuntimeStart {
  readonly pid: number;
  /** It was running before; nothing was started. */
  readonly alreadyRunning: boolean;
}
