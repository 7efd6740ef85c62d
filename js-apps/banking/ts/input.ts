// Checks on what comes from outside. Every text is bounded, so that no key or
// row can grow without limit.
import type { Request } from "@microsoft/ccf-app/endpoints.js";
import { badInput } from "./errors";

const NAME = /^[A-Za-z0-9_.-]{1,64}$/;
const MAX_REFERENCE = 140;

// The largest sum an account may hold: exact in a JavaScript number.
export const MAX_AMOUNT = Number.MAX_SAFE_INTEGER;

export function name(value: unknown, what: string): string {
  if (typeof value !== "string" || !NAME.test(value)) {
    throw badInput(`${what} must be 1 to 64 letters, digits, dots, dashes or underscores.`);
  }
  return value;
}

export function amount(value: unknown): number {
  if (!Number.isSafeInteger(value) || (value as number) <= 0) {
    throw badInput("amount must be a positive whole number of the smallest unit.");
  }
  return value as number;
}

export function reference(value: unknown): string {
  if (value === undefined) {
    return "";
  }
  if (typeof value !== "string" || value.length > MAX_REFERENCE) {
    throw badInput(`reference must be a text of at most ${MAX_REFERENCE} characters.`);
  }
  return value;
}

export function optionalVersion(value: unknown): number | undefined {
  if (value !== undefined && !Number.isSafeInteger(value)) {
    throw badInput("expected_version must be a whole number.");
  }
  return value as number | undefined;
}

export function bodyOf(request: Request): Record<string, unknown> {
  let body: unknown;
  try {
    body = request.body.json();
  } catch {
    throw badInput("The body is not JSON.");
  }
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw badInput("The body must be a JSON object.");
  }
  return body as Record<string, unknown>;
}

export function queryNumber(request: Request, key: string, fallback: number, max: number): number {
  for (const pair of request.query.split("&")) {
    const [k, v] = pair.split("=");
    if (k === key) {
      const n = Number(v);
      if (v === undefined || v === "" || !Number.isSafeInteger(n) || n < 0 || n > max) {
        throw badInput(`${key} must be a whole number from 0 to ${max}.`);
      }
      return n;
    }
  }
  return fallback;
}
