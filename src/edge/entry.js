// The Worker's entry. worker-build exports a class instead, of which the platform makes an instance for each event, behind
// a proxy that wraps each of its methods in another: 20 to 30 µs of the 260 that a plain call took.
//
// Those proxies are there to start the wasm anew after a panic. So an isolate that has seen one goes that way from then on.
import Entrypoint from "./handlers.js";

let hasPanicked = false;
addEventListener("error", ({ error }) => { hasPanicked ||= error instanceof WebAssembly.RuntimeError; });

const handler = (name) => {
  const handle = Entrypoint.prototype[name];
  return (event, env, ctx) => {
    if (hasPanicked) return new Entrypoint(ctx, env)[name](event);
    try {
      return handle.call({ env, ctx }, event);
    } catch (error) {
      reportError(error); // worker-build listens, too
      throw error;
    }
  };
};

// An object is made anew after a panic by worker-build's own proxy.
export { LedgerObject, LiveObject } from "./handlers.js";
export default { fetch: handler("fetch"), queue: handler("queue"), scheduled: handler("scheduled") };
