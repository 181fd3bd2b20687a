/** A template that does more than pieces can say; the message says what, to follow "the chat template: ". */
export class Inexpressible extends Error {}
