// contrib/grafana-dashboard.json: what Grafana's published schema says a dashboard is, and queries of what /metrics gives.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parser } from "@prometheus-io/lezer-promql";
import type { SyntaxNode } from "@lezer/common";
import ts from "typescript";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Gateway, projectRoot } from "./gateway.ts";
import { scenario } from "./gateway/scenario.ts";
import { Upstream } from "./upstream.ts";
import * as upstreamDoes from "./upstream/behaviours.ts";

const text = readFileSync(join(projectRoot, "contrib/grafana-dashboard.json"), "utf8");

interface Target {
  expr: string;
  legendFormat: string;
  refId: string;
}
interface Panel {
  id: number;
  title: string;
  gridPos: { x: number; y: number; w: number; h: number };
  targets: Target[];
}
const dashboard = JSON.parse(text) as { panels: Panel[]; templating: { list: { name: string; query: string | { query: string } }[] } };

describe("Grafana's schema", () => {
  // Its published form are types. An enum is what stands in JSON: its values.
  const types = `
    import type { Dashboard, Panel, DataQuery, GraphFieldConfig, VariableModel } from "@grafana/schema";
    import type { Options as Stat } from "@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen";
    import type { Options as TimeSeries, FieldConfig } from "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";
    type Plain<T> = T extends string ? \`\${T}\` : T extends number ? \`\${T}\` extends \`\${infer N extends number}\` ? N : T
      : T extends (infer U)[] ? Plain<U>[] : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;
    // The data source's own, of which the schema says that there is more: https://grafana.com/docs/grafana/latest/datasources/prometheus
    interface Query extends DataQuery { datasource: { type: "prometheus"; uid: string }; expr: string; legendFormat: string; editorMode: "code" | "builder"; range?: boolean; instant?: boolean }
    type Of<Type extends string, Options, Custom> = Omit<Plain<Panel>, "type" | "options" | "fieldConfig" | "targets"> & {
      id: number; title: string; type: Type; options: Plain<Options>; targets: Plain<Query>[];
      fieldConfig: Omit<NonNullable<Plain<Panel>["fieldConfig"]>, "defaults"> & { defaults: Omit<NonNullable<Plain<Panel>["fieldConfig"]>["defaults"], "custom"> & { custom?: Plain<Custom> } };
    };
    export type Shown = Omit<Plain<Dashboard>, "panels" | "id"> & { id: null; panels: (Of<"stat", Stat, {}> | Of<"timeseries", TimeSeries, FieldConfig>)[] };
  `;

  /** What the compiler has against a dashboard. */
  function faults(json: string): string[] {
    const folder = mkdtempSync(join(projectRoot, "tests/e2e/.dashboard-"));
    try {
      const file = join(folder, "dashboard.ts");
      writeFileSync(file, `${types}\nexport const shown: Shown = ${json};\n`);
      const program = ts.createProgram([file], { strict: true, noEmit: true, skipLibCheck: true, module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler, target: ts.ScriptTarget.ESNext, types: [] });
      return ts.getPreEmitDiagnostics(program).map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n"));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  test("takes the dashboard, and would take no other", { timeout: 60_000 }, () => {
    expect(faults(text)).toEqual([]);
    for (const [right, wrong] of [
      ['"type": "timeseries"', '"type": "graphs"'], ['"mode": "absolute"', '"mode": "absolut"'], ['"graphTooltip": 1', '"graphTooltip": 7'],
      ['"gridPos"', '"gridpos"'], ['"expr"', '"query"'], ['"drawStyle": "line"', '"drawStyle": "lines"'], ['"schemaVersion": 39', '"schemaVersion": "39"'],
    ] as const) {
      expect(text).toContain(right);
      expect(faults(text.replace(right, wrong)), wrong).not.toEqual([]);
    }
  });

  test("panels have ids of their own and do not lie on each other", () => {
    const cells = dashboard.panels.flatMap(({ gridPos: { x, y, w, h } }) => {
      expect(x + w).toBeLessThanOrEqual(24);
      return Array.from({ length: w * h }, (_, cell) => `${x + (cell % w)}/${y + Math.floor(cell / w)}`);
    });
    expect(new Set(cells).size).toBe(cells.length);
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
  });
});

describe("queries", () => {
  const METRICS = { METRICS_USERNAME: "prometheus", METRICS_PASSWORD: "scrape it" };
  let gateway: Gateway;
  let upstream: Upstream;
  /** The labels of each metric that has samples. */
  const labels = new Map<string, Set<string>>();

  beforeAll(async () => {
    [gateway, upstream] = await Promise.all([Gateway.start({ vars: METRICS }), Upstream.start()]);
    const story = await scenario(gateway, [upstream], { retry: { max_retries: 0 }, key: { rate_limits: { requests_per_day: 2 } } });
    upstream.next(upstreamDoes.status(500));
    for (const expected of [500, 200, 429]) {
      expect((await story.chat()).status).toBe(expected);
    }
    await gateway.logsOfKey(story.keyId, 3);
    const credentials = Buffer.from(`${METRICS.METRICS_USERNAME}:${METRICS.METRICS_PASSWORD}`).toString("base64");
    const page = await (await fetch(`${gateway.url}/metrics`, { headers: { authorization: `Basic ${credentials}` } })).text();
    for (const line of page.split("\n").filter((line) => line && !line.startsWith("#"))) {
      const [, name, of = ""] = /^(\w+)(?:\{(.*)\})? /.exec(line)!;
      labels.set(name!, new Set([...of.matchAll(/(\w+)="/g)].map(([, label]) => label!)));
    }
  });
  afterAll(async () => {
    await Promise.all([gateway?.stop(), upstream?.stop()]);
  });

  const nodesOf = (top: SyntaxNode, name: string): SyntaxNode[] => {
    const found: SyntaxNode[] = [];
    top.cursor().iterate((node) => void (node.name === name && found.push(node.node)));
    return found;
  };

  /** What is wrong with a query, and the labels that its series have. */
  function check(query: string): { faults: string[]; has: Set<string> } {
    const source = query.replaceAll("$__rate_interval", "5m");
    const said = ({ from, to }: SyntaxNode) => source.slice(from, to);
    const top = parser.parse(source).topNode;
    const faults: string[] = [];
    top.cursor().iterate((node) => void (node.type.isError && faults.push(`cannot be read at ${node.from}`)));
    const labelsIn = (node: SyntaxNode) => new Set(nodesOf(node, "VectorSelector").flatMap((selector) => [...(labels.get(said(selector.getChild("Identifier")!)) ?? [])]));
    for (const selector of nodesOf(top, "VectorSelector")) {
      const name = said(selector.getChild("Identifier")!);
      const known = labels.get(name);
      if (!known) faults.push(`there is no metric ${name}`);
      for (const label of nodesOf(selector, "LabelName").map(said)) {
        if (!known?.has(label)) faults.push(`${name} has no label ${label}`);
      }
    }
    for (const aggregate of nodesOf(top, "AggregateExpr")) {
      for (const label of nodesOf(aggregate, "GroupingLabels").flatMap((list) => nodesOf(list, "LabelName")).map(said)) {
        if (!labelsIn(aggregate).has(label)) faults.push(`nothing has a label ${label}`);
      }
    }
    for (const call of nodesOf(top, "FunctionCall")) {
      const isOfCounters = ["rate", "increase"].includes(said(call.getChild("FunctionIdentifier")!));
      for (const selector of nodesOf(call, "VectorSelector")) {
        const name = said(selector.getChild("Identifier")!);
        if (isOfCounters && !/_(total|bucket|sum|count)$/.test(name)) faults.push(`${name} is no counter`);
      }
    }
    const grouping = nodesOf(top, "GroupingLabels");
    return { faults, has: grouping.length > 0 ? new Set(grouping.flatMap((list) => nodesOf(list, "LabelName")).map(said)) : labelsIn(top) };
  }

  test("a query that could show nothing is found", () => {
    for (const [query, says] of [
      ["sum(rate(ai_gateway_requests_total[5m])", /cannot be read/], ["ai_gateway_request_total", /no metric/], ['ai_gateway_requests_total{provider="x"}', /no label provider/],
      ["sum by (provider) (ai_gateway_requests_total)", /label provider/], ["rate(ai_gateway_active_clients[5m])", /no counter/],
    ] as const) {
      expect(check(query).faults.join(), query).toMatch(says);
    }
  });

  test("each is PromQL, of metrics and labels that there are", () => {
    const queries = dashboard.panels.flatMap(({ title, targets }) => targets.map((target) => ({ title, ...target })));
    for (const { title, expr, legendFormat } of queries) {
      const { faults, has } = check(expr);
      expect(faults, `${title}: ${expr}`).toEqual([]);
      for (const [, label] of legendFormat.matchAll(/\{\{\s*(\w+)\s*\}\}/g)) {
        expect([...has], `${title}: ${legendFormat}`).toContain(label);
      }
    }
    expect(queries.length).toBeGreaterThan(20);
  });

  test("its variables are of labels that there are", () => {
    const definitions = dashboard.templating.list.flatMap(({ query }) => (typeof query === "string" ? [] : query.query));
    expect(definitions.length).toBeGreaterThan(1);
    for (const definition of definitions) {
      const [, metric, label] = /^label_values\((\w+), (\w+)\)$/.exec(definition)!;
      expect([...labels.get(metric!)!], definition).toContain(label);
    }
  });
});
