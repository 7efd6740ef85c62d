import type { Response } from "@microsoft/ccf-app/endpoints.js";

// Refusal ends a request with an error body. It is thrown before anything was
// written, or not at all: answers other than 2xx drop their writes anyway.
export class Refusal extends Error {
  constructor(
    readonly statusCode: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

export const badInput = (message: string) => new Refusal(400, "InvalidInput", message);
export const forbidden = (message: string) => new Refusal(403, "AuthorizationFailed", message);
export const notFound = (message: string) => new Refusal(404, "ResourceNotFound", message);
export const conflict = (code: string, message: string) => new Refusal(409, code, message);

// answering turns a function that returns a body, or throws a Refusal, into an
// endpoint.
export function answering<R>(handle: (request: R) => Response): (request: R) => Response {
  return (request) => {
    try {
      return handle(request);
    } catch (e) {
      if (e instanceof Refusal) {
        return { statusCode: e.statusCode, body: { error: { code: e.code, message: e.message } } };
      }
      throw e;
    }
  };
}
