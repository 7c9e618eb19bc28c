// `npm run deploy`: schema and catalogue into the account's D1, then the Worker. README.md ("Deploy") says what comes before.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Problem, main, npmBinary, root, run, step } from "./toolchain.mjs";
import { build } from "./build.mjs";
import { catalogue, executeRemotely, schemaSql } from "./database.mjs";
import { setup } from "./setup.mjs";

await main(async () => {
  await setup();
  const wrangler = npmBinary("wrangler");
  if (process.argv.includes("--dry-run")) {
    await run(wrangler, ["deploy", "--dry-run", "--outdir", join(".wrangler", "dry-run")], { what: "wrangler deploy --dry-run" });
    return;
  }
  if (/^(database_id|id) = "local"/m.test(readFileSync(join(root, "wrangler.toml"), "utf8"))) {
    throw new Problem('wrangler.toml still names no account\'s D1 or KV: put the ids in place of "local" (README.md, "Deploy").');
  }
  await build();
  // The schema first: new code never meets an old database, and old code does not mind new columns.
  step("Bringing D1 to the current schema");
  await executeRemotely(schemaSql("--remote"), "The remote schema");
  const models = catalogue();
  step(`Bringing the catalogue up to date (${models.count} models)`);
  await executeRemotely(models.sql(), "The remote catalogue");
  step("Deploying the Worker");
  await run(wrangler, ["deploy", ...process.argv.slice(2)], { what: "wrangler deploy" });
});
