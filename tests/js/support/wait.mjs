// Waiting for what is to happen, in Node and in pages.

/** Resolves with the first event that passes, or fails after a while. */
export function until(source, passes, ms = 10_000) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('it did not happen in time')), ms);
    const stop = source.on('*', (event) => {
      if (!passes(event)) return;
      clearTimeout(timer);
      stop();
      resolve(event);
    });
  });
}

/** Waits. */
export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
