// The object that tells watchers of finished calls, in one crossing each way.

const watchers = (env) => env.LIVE.getByName("live");

/** The answer to a watcher: the WebSocket of the object, under the subprotocol that carried the token where one did. */
export async function watch(env, scope, protocol) {
  const headers = { upgrade: "websocket", "x-edgeway-scope": scope };
  const response = await watchers(env).fetch("https://live/", { headers });
  return new Response(null, {
    status: 101, webSocket: response.webSocket, headers: protocol ? { "sec-websocket-protocol": protocol } : {},
  });
}

/** Tells of rows that were stored, as a JSON array. A gateway without the object has no watchers. */
export async function publish(env, rows) {
  if (!env.LIVE) return;
  const response = await watchers(env).fetch("https://live/", { method: "POST", body: rows });
  await response.arrayBuffer();
}
