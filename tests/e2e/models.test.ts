// `/v1/models`: every provider of the caller's is asked at once; one that fails or does not answer costs the others nothing, and
// what was asked some minutes ago is not asked again.
import { afterAll, beforeAll, expect, test } from "vitest";
import { Gateway } from "./gateway.ts";
import { until } from "./gateway/until.ts";
import { Upstream, type Behaviour } from "./upstream.ts";
import * as upstreamDoes from "./upstream/behaviours.ts";

let gateway: Gateway;
const upstreams: Record<"good" | "failing" | "silent" | "stored", Upstream> = {} as never;
const names = {} as Record<keyof typeof upstreams, string>;
let key: string;

const lists = (...ids: string[]): Behaviour => ({ response }) => {
  response.writeHead(200, { "content-type": "application/json" });
  response.end(JSON.stringify({ object: "list", data: ids.map((id) => ({ id, object: "model" })) }));
};

beforeAll(async () => {
  gateway = await Gateway.start();
  for (const name of ["good", "failing", "silent", "stored"] as const) {
    const upstream = (upstreams[name] = await Upstream.start(name));
    upstream.always(lists("old"));
    const { id, name: shown } = await gateway.admin.provider(gateway.unique(name), upstream);
    names[name] = shown;
    if (name === "stored") {
      await gateway.admin.ok("POST", `/api/providers/${id}/models/refresh`);
      upstream.reset();
    }
  }
  upstreams.good.always(lists("large", "small", "secret"));
  upstreams.failing.always(upstreamDoes.status(500));
  upstreams.silent.always(() => new Promise(() => {}));
  upstreams.stored.always(lists("new"));
  ({ key } = await gateway.admin.key({ name: gateway.unique("key"), denied_models: ["*secret"] }));
});
afterAll(async () => {
  await Promise.all([gateway?.stop(), ...Object.values(upstreams).map((upstream) => upstream.stop())]);
});

async function models(query = "", init: RequestInit = {}) {
  const begun = Date.now();
  const headers = { authorization: `Bearer ${key}`, ...init.headers };
  const response = await fetch(`${gateway.url}/v1/models${query}`, { ...init, headers });
  const body: any = await response.json();
  return { status: response.status, body, ids: body.data.map(({ id }: any) => id), ms: Date.now() - begun };
}

test("those that answer are listed, those that do not are told, and what is stored waits for nobody", async () => {
  const { status, body, ids, ms } = await models();
  expect([status, ids]).toEqual([200, [`${names.good}/large`, `${names.good}/small`, `${names.stored}/old`].sort()]);
  expect(body.errors.map(({ provider, status }: any) => [provider, status]).sort()).toEqual([[names.failing, 500], [names.silent, null]].sort());
  expect(JSON.stringify(body)).not.toContain("-secret");
  expect(ms).toBeLessThan(7_000);
  for (const upstream of Object.values(upstreams)) {
    expect((await upstream.received()).path).toBe("/v1/models");
  }
});

test("the second time nobody is asked, and what was refreshed behind the first answer is there", async () => {
  const { ids, ms } = await until("the new list", async () => {
    const shown = await models();
    return shown.ids.includes(`${names.stored}/new`) ? shown : undefined;
  });
  expect(ids).not.toContain(`${names.stored}/old`);
  expect(ms).toBeLessThan(2_000);
  expect(Object.values(upstreams).map(({ exchanges }) => exchanges.length)).toEqual([1, 1, 1, 1]);
});

test("a provider that is not there is told", async () => {
  const absent = await models("?provider=nosuch");
  expect([absent.status, absent.ids]).toEqual([200, []]);
  expect(absent.body.errors).toEqual([{ provider: "nosuch", status: null, message: "nosuch: there is no such provider for this key" }]);
});

test("POST, one provider, one model, and Anthropic's shape", async () => {
  const all = [`${names.good}/large`, `${names.good}/small`];
  expect((await models(`?provider=${names.good}`)).ids).toEqual(all);
  expect((await models(`?provider=${names.good}`, { method: "POST" })).ids).toEqual(all);
  const { body } = await models(`?provider=${names.good}`, { headers: { "anthropic-version": "2023-06-01" } });
  expect([body.has_more, body.last_id, body.errors]).toEqual([false, all[1], undefined]);
  const one = await fetch(`${gateway.url}/v1/models/${encodeURIComponent(all[0]!)}`, { headers: { authorization: `Bearer ${key}` } });
  expect(await one.json()).toMatchObject({ id: all[0], object: "model" });
});

test("a key that a header brings lists its provider's models, and is kept nowhere", async () => {
  upstreams.good.reset();
  upstreams.good.always(lists("brought"));
  const init = { headers: { [`x-${names.good}-api-key`]: "a-callers-own-key" } };
  expect((await models(`?provider=${names.good}`, init)).ids).toEqual([`${names.good}/brought`]);
  expect(upstreams.good.only.key).toBe("a-callers-own-key");
  expect((await models(`?provider=${names.good}`)).ids).not.toContain(`${names.good}/brought`);
});
