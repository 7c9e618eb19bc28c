// What the queues of log records say of themselves, in one crossing.

/** → JSON: for each queue that answers its name, the messages that wait in it, and how long the oldest has, in ms. */
export async function backlogs(env) {
  const ask = async ([name, queue]) => {
    try {
      const { backlogCount, oldestMessageTimestamp } = await queue.metrics();
      const oldest = Number(oldestMessageTimestamp ?? 0);
      return [[name, backlogCount, backlogCount && oldest ? Math.max(0, Date.now() - oldest) : 0]];
    } catch {
      return []; // there is none, or it does not say
    }
  };
  const queues = [["logs", env.LOGS], ["logs-dead", env.LOGS_DEAD]];
  return JSON.stringify((await Promise.all(queues.map(ask))).flat());
}
