/** One report of a long operation; `total` is 0 while unknown. */
export interface ProgressReport {
  phase: string;
  done: number;
  total: number;
  unit: 'bytes' | 'files' | 'tensors' | 'tokens' | 'steps';
}

/** What every long operation takes: how to be told of progress, and how to be cancelled. */
export interface Operation {
  signal?: AbortSignal;
  onProgress?: (report: ProgressReport) => void;
}
