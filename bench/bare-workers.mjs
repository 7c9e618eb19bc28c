// What Edgeway is measured against: the least that a Worker between a client and an upstream can do.
import { Miniflare } from "miniflare";

const TARGET = `
  const url = new URL(request.url);
  const response = await fetch(env.UPSTREAM + url.pathname, request);`;

/** (a) The request is piped through, and the answer's body is workerd's own. */
export const PIPED = `export default { async fetch(request, env) {${TARGET}
  return response;
} };`;

/** (b) The answer's body is a stream made in JavaScript, as every metered stream must be. */
export const SCRIPTED = `export default { async fetch(request, env) {${TARGET}
  const reader = response.body.getReader();
  const body = new ReadableStream({
    async pull(controller) {
      const { done, value } = await reader.read();
      if (done) controller.close(); else controller.enqueue(value);
    },
    cancel(reason) { return reader.cancel(reason); },
  }, { highWaterMark: 0 });
  return new Response(body, response);
} };`;

/** Runs one in a workerd of its own, on a direct socket. */
export async function startBareWorker(script, upstream, config) {
  const miniflare = new Miniflare({
    workers: [{
      name: "bare", modules: true, script, bindings: { UPSTREAM: upstream },
      compatibilityDate: config.compatibilityDate, compatibilityFlags: config.compatibilityFlags,
      unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }],
    }],
  });
  await miniflare.ready;
  return { port: Number((await miniflare.unsafeGetDirectURL("bare")).port), stop: () => miniflare.dispose() };
}
