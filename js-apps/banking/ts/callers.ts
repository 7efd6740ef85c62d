// Who may do what. Identities and roles are governance's: users and their data
// are written by proposals that members vote on, never by this application.
import type { Request } from "@microsoft/ccf-app/endpoints.js";
import { Table } from "./host";
import { forbidden, notFound } from "./errors";

interface UserData {
  role?: string; // "auditor" may read everything
  frozen?: boolean; // may look but not pay
}

const users = new Table<{ user_data?: UserData }>("public:ccf.gov.users.info");

interface CertificateCaller {
  policy: string;
  id: string;
}

function callerOf(request: Request): CertificateCaller {
  return request.caller as unknown as CertificateCaller;
}

// userOf is the id of the calling user.
export function userOf(request: Request): string {
  return callerOf(request).id;
}

function dataOf(user: string): UserData {
  return users.get(user)?.user_data ?? {};
}

export function requireMayPay(user: string): void {
  if (dataOf(user).frozen === true) {
    throw forbidden("The consortium has frozen the accounts of this user.");
  }
}

// requireAuditor lets members in, and users whom members made auditors.
export function requireAuditor(request: Request): void {
  const caller = callerOf(request);
  if (caller.policy !== "member_cert" && dataOf(caller.id).role !== "auditor") {
    throw forbidden("Only auditors and members may access this endpoint.");
  }
}

// requireUser refuses accounts for ids that governance does not know.
export function requireUser(user: string): void {
  if (!knownUser(user)) {
    throw notFound(`No user ${user}.`);
  }
}

function knownUser(user: string): boolean {
  return new Table("public:ccf.gov.users.certs").has(user);
}
