/**
 * A text that a phone writes, as it is shown: a process that died begins the text anew in its next attempt, and what was
 * shown can't be taken back.
 */
export class StreamedText {
  /** What the newest attempt has written. */
  text = '';
  private shown = '';
  private attempt = 0;
  private readonly show: (piece: string) => void;
  private readonly restart: () => void;

  /**
   * @param show gets what is new, in order
   * @param restart is called before the text is shown again from its beginning, because it came out otherwise
   */
  constructor(show: (piece: string) => void, restart: () => void) {
    this.show = show;
    this.restart = restart;
  }

  push(attempt: number, piece: string): void {
    if (attempt < this.attempt) return;
    if (attempt > this.attempt) this.text = '';
    this.attempt = attempt;
    this.text += piece;
    this.catchUp(false);
  }

  /** The whole text, by the phone's word. */
  finish(text: string): void {
    this.text = text;
    this.catchUp(true);
  }

  private catchUp(whole: boolean): void {
    const { text, shown } = this;
    if (!whole && shown.startsWith(text)) return; // written before, by an attempt that is over
    if (!text.startsWith(shown)) {
      this.restart();
      this.shown = '';
    }
    const fresh = text.slice(this.shown.length);
    this.shown = text;
    if (fresh !== '') this.show(fresh);
  }
}
