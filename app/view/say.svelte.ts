/** One short message at a time, shown at the foot of the page and read out by screen readers. */

class Say {
  text = $state('');
  #timer: ReturnType<typeof setTimeout> | undefined;

  now(text: string): void {
    clearTimeout(this.#timer);
    // Emptied first: the same words twice are still two messages to a screen reader.
    this.text = '';
    queueMicrotask(() => {
      this.text = text;
    });
    this.#timer = setTimeout(() => {
      this.text = '';
    }, 5_000);
  }
}

export const say = new Say();
