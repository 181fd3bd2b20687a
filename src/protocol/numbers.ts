import protobuf from 'protobufjs/minimal.js';

// 64-bit fields become plain numbers (exact to 2^53; sizes, counts and milliseconds stay below). protobufjs would make
// Long objects of them as soon as the `long` package is installed, whatever the generated types say.
Object.assign(protobuf.util, { Long: undefined });
protobuf.configure();
