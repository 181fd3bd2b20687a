import { conformance } from './conformance.ts';

conformance('emulated');
