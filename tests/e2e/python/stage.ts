// What the Python tests run against: a gateway and a scripted upstream in one process, which says where they are on its first
// line of output and lives until its input closes. The model's name says how the upstream behaves.
import { Gateway } from "../gateway.ts";
import { scenario } from "../gateway/scenario.ts";
import { Upstream, type Behaviour } from "../upstream.ts";
import * as upstreamDoes from "../upstream/behaviours.ts";
import { finish, role, toolDelta, usageChunk } from "../upstream/shapes.ts";

const behaviours: Record<string, Behaviour> = {
  "e2e-400": upstreamDoes.status(400, { message: "Unsupported value", param: "temperature", code: "unsupported_value" }),
  "e2e-404": upstreamDoes.status(404, { message: "no such model", code: "model_not_found" }),
  "e2e-429": upstreamDoes.status(429),
  "e2e-500": upstreamDoes.status(500),
  "e2e-dies": upstreamDoes.diesInStream("end"),
  "e2e-tool": upstreamDoes.answer({ toolCalls: [{ id: "call_1", name: "get_weather", arguments: '{"city":"Łódź"}' }] }),
  "e2e-tools-streamed": upstreamDoes.stream([
    role(),
    toolDelta(0, { id: "call_a", name: "get_weather" }), toolDelta(0, { arguments: '{"city":' }), toolDelta(0, { arguments: '"Oslo"}' }),
    toolDelta(1, { id: "call_b", name: "get_weather" }), toolDelta(1, { arguments: '{"city":"Rome"}' }),
    finish("tool_calls"), usageChunk(), upstreamDoes.DONE,
  ]),
};

const upstream = await Upstream.start("upstream");
const failing = (await Upstream.start("failing")).always(upstreamDoes.status(503));
const gateway = await Gateway.start();
upstream.when(({ json }) => json?.model in behaviours, (exchange) => behaviours[exchange.json.model]!(exchange));
const single = await scenario(gateway, [upstream], { retry: { max_retries: 0 } });
const double = await scenario(gateway, [failing, upstream], { retry: { max_retries: 0 } });

console.log(JSON.stringify({ url: `${gateway.url}/v1`, key: single.key, failover_key: double.key, providers: [...single.providers, ...double.providers] }));

process.stdin.resume();
process.stdin.on("close", async () => {
  await Promise.all([gateway.stop(), upstream.stop(), failing.stop()]);
  process.exit();
});
