// Waiting for something that can be observed, instead of for a time.

/** Asks until there is an answer; fails, saying what was waited for, when the deadline passes first. */
export async function until<T>(what: string, ask: () => Promise<T | undefined | false> | T | undefined | false, deadlineMs = 15_000): Promise<T> {
  const deadline = Date.now() + deadlineMs;
  let failure: unknown;
  for (let pause = 5; Date.now() < deadline; pause = Math.min(pause * 1.5, 200)) {
    try {
      const answer = await ask();
      if (answer !== undefined && answer !== false) {
        return answer;
      }
      failure = undefined;
    } catch (error) {
      failure = error;
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
  throw new Error(`after ${deadlineMs} ms there is still not ${what}`, { cause: failure });
}
