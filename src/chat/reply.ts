import { mft } from '../protocol/index.ts';

const { End } = mft.v1.Sample;

/** Why a text ended. */
export type ReplyEnd = 'eos' | 'stop' | 'max_tokens' | 'context_full' | 'interrupted';

const ENDS: Partial<Record<number, ReplyEnd>> = {
  [End.END_OF_SEQUENCE]: 'eos',
  [End.END_STOP_TEXT]: 'stop',
  [End.END_MAX_TOKENS]: 'max_tokens',
  [End.END_CONTEXT_FULL]: 'context_full',
  [End.END_INTERRUPTED]: 'interrupted',
};

/** What a model wrote, and what it took; as `--json` prints it. */
export interface Reply {
  text: string;
  end: ReplyEnd;
  tokens: number;
  prompt_tokens: number;
  /** Of these, found in the phone's cache. */
  reused_tokens: number;
  /** Until the first token. */
  prefill_ms: number;
  duration_ms: number;
  /** After the prompt; null when nothing was written. */
  tokens_per_second: number | null;
}

export function replyOf(sample: mft.v1.ISample): Reply {
  const { text = '', tokens = 0, promptTokens = 0, reusedTokens = 0, prefillMs = 0, durationMs = 0 } = sample;
  const writing = durationMs - prefillMs;
  return {
    text,
    end: ENDS[sample.end ?? 0] ?? 'max_tokens',
    tokens,
    prompt_tokens: promptTokens,
    reused_tokens: reusedTokens,
    prefill_ms: prefillMs,
    duration_ms: durationMs,
    tokens_per_second: tokens > 0 && writing > 0 ? Math.round((tokens * 10_000) / writing) / 10 : null,
  };
}

/** "63 tokens, 18.2 tokens/s; prompt 412 tokens, 390 of them in the cache, 0.2 s" */
export function replyLine(reply: Reply): string {
  const speed = reply.tokens_per_second === null ? '' : `, ${reply.tokens_per_second} tokens/s`;
  const seconds = (reply.prefill_ms / 1000).toFixed(1);
  return (
    `${reply.tokens} tokens${speed}; prompt ${reply.prompt_tokens} tokens, ` +
    `${reply.reused_tokens} of them in the cache, ${seconds} s`
  );
}
