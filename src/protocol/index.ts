import './numbers.ts';

export { encodeFrame, FRAME_LIMIT, FrameDecoder, FrameError } from './framing.ts';
export { mft } from './generated/mft.js';

/** Another major is refused with words; a newer minor only adds fields. docs/protocol.md */
export const PROTOCOL_MAJOR = 1;
export const PROTOCOL_MINOR = 0;
