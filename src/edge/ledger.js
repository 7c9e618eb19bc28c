// A question to a ledger object, in one crossing; wire.js says why its promises are here.

/** Asks the ledger of an owner and gives its reply, both as JSON text. */
export async function ask(env, owner, message, ms) {
  const stub = env.LEDGER.getByName(owner);
  const response = await stub.fetch("https://ledger/", { method: "POST", body: message, signal: AbortSignal.timeout(ms) });
  const reply = await response.text();
  if (response.status !== 200) throw new Error(`it answered ${response.status}: ${reply}`);
  return reply;
}
