// Log records as D1 holds them, with their JSON columns read.
import type { Gateway } from "../gateway.ts";

export interface Attempt {
  provider: string;
  model: string;
  key_hint: string | null;
  status: number | null;
  error: string | null;
  latency_ms: number;
  /** Where not only the last attempt used anything. */
  used?: { input_tokens: number; output_tokens: number; usage_source: string; cost_nano_usd: number };
}

export interface LogRow {
  id: string;
  key_id: string;
  user_id: string;
  endpoint: string;
  dialect: string;
  model: string;
  provider: string;
  target_model: string;
  status: number;
  error: string | null;
  stream: number;
  input_tokens: number;
  output_tokens: number;
  cached_input_tokens: number;
  reasoning_tokens: number;
  usage_source: string;
  /** nano-USD */
  cost: number;
  priced: number;
  latency_ms: number;
  first_content_ms: number | null;
  end_reason: string;
  metadata: Record<string, string>;
  attempts: Attempt[];
}

export async function readLogs(gateway: Gateway, where: string, ...values: unknown[]): Promise<LogRow[]> {
  const rows = await gateway.sql<Record<string, unknown>>(`SELECT * FROM request_logs ${where}`, ...values);
  return rows.map((row) => ({ ...row, metadata: JSON.parse(row.metadata as string), attempts: JSON.parse(row.attempts as string) })) as unknown as LogRow[];
}
