// `npm start`: from a fresh clone to a gateway that answers on http://127.0.0.1:8787 (PORT overrides). What is done already
// is not done again, so a second start takes seconds.
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { appendFileSync, chmodSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { Problem, environment, main, npmBinary, present, root, step } from "./toolchain.mjs";
import { build } from "./build.mjs";
import { catalogue, executeLocally, readNote, schema, schemaSql, writeNote } from "./database.mjs";
import { adminSql, demoSql, newGatewayKey } from "./seed.mjs";
import { setup } from "./setup.mjs";

const variablesFile = join(root, ".dev.vars");
const port = Number(process.env.PORT || 8787);
const address = `http://127.0.0.1:${port}`;
const parent = process.ppid;

await main(async () => {
  await checkPort();
  await setup();
  await build();
  const added = addMissingVariables();
  const { fresh, gatewayKey } = await prepareDatabase(added);
  await serve(() => greet(fresh || "ADMIN_PASSWORD" in added, gatewayKey));
});

async function checkPort() {
  if (!Number.isInteger(port) || port < 1 || port > 65535) {
    throw new Problem(`PORT must be a number from 1 to 65535, not ${process.env.PORT}`);
  }
  await new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", (error) => reject(new Problem(`Port ${port} cannot be used (${error.code}). Stop what uses it, or choose another: PORT=8788 npm start`)));
    server.listen(port, "127.0.0.1", () => server.close(resolve));
  });
}

/** Adds MASTER_KEY and ADMIN_PASSWORD to .dev.vars where they are missing; → what was added. */
function addMissingVariables() {
  const made = { MASTER_KEY: randomBytes(32).toString("base64"), ADMIN_PASSWORD: randomBytes(15).toString("base64url") };
  const added = Object.fromEntries(Object.entries(made).filter(([name]) => variable(name) === undefined));
  if (Object.keys(added).length > 0) {
    const text = present(variablesFile) ? readFileSync(variablesFile, "utf8") : "# Local variables and secrets (README.md, \"Configuration\"). Never committed.\n";
    const separator = text === "" || text.endsWith("\n") ? "" : "\n";
    const lines = Object.entries(added).map(([name, value]) => `${name}="${value}"\n`);
    if (present(variablesFile)) {
      chmodSync(variablesFile, 0o600);
    }
    appendFileSync(variablesFile, (present(variablesFile) ? "" : text) + separator + lines.join(""), { mode: 0o600 });
  }
  return added;
}

/** The value of a variable in .dev.vars. */
function variable(name) {
  const text = present(variablesFile) ? readFileSync(variablesFile, "utf8") : "";
  const [, value] = new RegExp(`^[ \\t]*(?:export[ \\t]+)?${name}[ \\t]*=[ \\t]*(.*?)[ \\t]*$`, "m").exec(text) ?? [];
  return value?.replace(/^(["'])(.*)\1$/, "$2");
}

function username() {
  return variable("ADMIN_USERNAME") || "admin";
}

/** Schema, catalogue, admin and demo, each where it is not there yet or has changed, in one run. */
async function prepareDatabase(added) {
  const note = readNote();
  const [wanted, models] = [schema(), catalogue()];
  const parts = [];
  if (note.schema !== wanted.hash) {
    parts.push(schemaSql("--local"));
  }
  if (note.catalog !== models.hash) {
    parts.push(models.sql());
  }
  if (added.ADMIN_PASSWORD || !note.gatewayKey) {
    parts.push(adminSql({ username: username(), password: variable("ADMIN_PASSWORD") }));
  }
  const gatewayKey = note.gatewayKey ?? newGatewayKey();
  if (!note.gatewayKey) {
    parts.push(demoSql({ username: username(), gatewayKey }));
  }
  if (added.MASTER_KEY && note.schema) {
    console.warn("  .dev.vars had lost its MASTER_KEY: provider keys that were stored under the old one must be entered again.");
  }
  if (parts.length > 0) {
    step(`Preparing the local database (${models.count} models)`);
    await executeLocally(parts.join("\n"));
    writeNote({ schema: wanted.hash, catalog: models.hash, gatewayKey });
  }
  return { fresh: !note.gatewayKey, gatewayKey };
}

/**
 * Runs `wrangler dev` until we are told to end; calls `ready` when the gateway answers. wrangler's own proxy takes it down when a client
 * breaks an upload off ("Network connection lost"), so one that has answered and then failed is started again.
 */
function serve(ready) {
  step("Starting");
  const args = ["dev", "--port", String(port), "--ip", "127.0.0.1", "--show-interactive-dev-session=false"];
  if (variable("ALLOW_PRIVATE_UPSTREAMS") === undefined) {
    args.push("--var", "ALLOW_PRIVATE_UPSTREAMS:true"); // a local model server is what one tries first
  }
  // A process group of its own: it is stopped as a whole, workerd included, and Ctrl-C reaches it once, from us.
  const grouped = process.platform !== "win32";
  let child;
  let stopping = false;
  const stop = (signal) => {
    try {
      process.kill(grouped ? -child.pid : child.pid, signal);
    } catch {
      // it has ended already
    }
  };
  const end = () => {
    stop(stopping ? "SIGKILL" : "SIGTERM");
    stopping = true;
    setTimeout(() => stop("SIGKILL"), 3_000).unref();
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, end);
  }
  // The shell between npm and us does not hand signals on: when it is gone, so are we.
  setInterval(() => process.ppid !== parent && end(), 500).unref();
  process.on("exit", () => stop("SIGKILL"));
  return new Promise((resolve, reject) => {
    const begin = (ready) => {
      const began = spawn(npmBinary("wrangler"), args, { cwd: root, stdio: ["ignore", "inherit", "inherit"], env: environment({ CLOUDFLARE_CF_FETCH_ENABLED: "false" }), detached: grouped });
      let hasAnswered = false;
      child = began;
      void whenAnswering(() => began.exitCode === null && !stopping).then((answers) => {
        hasAnswered = answers;
        return answers && ready();
      });
      began.on("error", (error) => reject(new Problem(`wrangler could not be started: ${error.message}`)));
      began.on("exit", (code) => {
        if (stopping || code === 0) {
          resolve();
        } else if (hasAnswered) {
          stop("SIGKILL"); // what it may have left behind holds the port
          step(`wrangler dev ended with exit code ${code}; starting it again`);
          begin(() => console.log(`  Edgeway is back at ${address}`));
        } else {
          reject(new Problem(`wrangler dev ended with exit code ${code}`));
        }
      });
    };
    begin(ready);
  });
}

/** Waits until the gateway answers HTTP; false where it has ended before. */
async function whenAnswering(alive) {
  while (alive()) {
    try {
      await fetch(`${address}/healthz`, { signal: AbortSignal.timeout(10_000) });
      return true;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  return false;
}

function greet(first, gatewayKey) {
  const password = first ? `${variable("ADMIN_PASSWORD")}     (shown this once; kept in .dev.vars)` : "(ADMIN_PASSWORD in .dev.vars)";
  console.log(`
  Edgeway       ${address}
  Admin         ${username()} / ${password}
  Gateway key   ${gatewayKey}     (the demo's)

  Try it:

curl -N ${address}/v1/chat/completions \\
  -H "Authorization: Bearer ${gatewayKey}" \\
  -H "Content-Type: application/json" \\
  -d '{"model": "demo", "stream": true, "messages": [{"role": "user", "content": "Hello, who are you?"}]}'
`);
}
