import protobuf from 'protobufjs/minimal.js';
import { mft } from '../protocol/index.ts';
import type { RawEvent } from '../runs/index.ts';

/** What came over the wire: an event with its own bytes (the record keeps them as they were sent), or another frame. */
export type Incoming = { type: 'event'; raw: RawEvent } | { type: 'frame'; frame: mft.v1.DeviceFrame };

/** Field number of `event` in DeviceFrame, wire type 2. */
const EVENT_TAG = (3 << 3) | 2;

/** @throws Error when the payload is not a DeviceFrame. */
export function decodeDeviceFrame(payload: Uint8Array): Incoming {
  const frame = mft.v1.DeviceFrame.decode(payload);
  if (!frame.event) return { type: 'frame', frame };
  const bytes = eventBytes(payload);
  return { type: 'event', raw: { event: mft.v1.Event.decode(bytes), bytes } };
}

/** The event's bytes within the frame: decoding and encoding again would lose fields that this version doesn't know. */
function eventBytes(payload: Uint8Array): Uint8Array {
  const reader = protobuf.Reader.create(payload);
  let found: Uint8Array | undefined;
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag === EVENT_TAG) found = reader.bytes();
    else reader.skipType(tag & 7);
  }
  if (found === undefined) throw new Error('a frame without an event');
  return Uint8Array.from(found);
}
