import { createHmac, timingSafeEqual } from "node:crypto";

// Throws if a webhook's request is not signed with the secret, or is not of the last five minutes.
// Pass the headers of node:http, and the body as it was received: a Buffer, before it is decoded.
export function verify(secret, headers, body, now = Date.now()) {
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  if (key.length === 0) throw new Error("the secret is not one");

  const at = headers["webhook-timestamp"] ?? "";
  if (!/^\d+$/.test(at) || Math.abs(now / 1000 - Number(at)) > 300) {
    throw new Error("the timestamp is too old, or in the future");
  }

  const expected = createHmac("sha256", key).update(`${headers["webhook-id"]}.${at}.`).update(body).digest();

  // While the secret is rotated, there is a signature of each secret.
  const signed = (headers["webhook-signature"] ?? "").split(" ").some((signature) => {
    const got = Buffer.from(signature.replace(/^v1,/, ""), "base64");
    return signature.startsWith("v1,") && got.length === expected.length && timingSafeEqual(got, expected);
  });

  if (!signed) throw new Error("no signature is of the secret");
}
